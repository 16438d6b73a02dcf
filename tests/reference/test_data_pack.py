"""A packed file keeps every spike, and its HDF5 file every 2 ms bin."""

from __future__ import annotations

import lzma
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikecheck.errors import SpikecheckError
from spikecheck.reference import pack
from tests.reference.data_words import KEYS, sorted_spikes, words
from tools.spoken_digits import packing

spike = st.tuples(st.integers(0, pack.BINS - 1), st.integers(0, pack.UNITS - 1))
some_words = st.lists(st.lists(spike, max_size=40), max_size=6)


@settings(deadline=None)
@given(train=some_words, test=some_words)
def test_no_spike_is_lost_in_packing(train: list[list[tuple[int, int]]], test: list[list[tuple[int, int]]]) -> None:
    splits, keys = pack.unpack(packing.pack({"train": words(train), "test": words(test)}, KEYS))
    assert keys == KEYS
    assert sorted_spikes(splits["train"]) == [sorted(word) for word in train]
    assert sorted_spikes(splits["test"]) == [sorted(word) for word in test]


@pytest.mark.parametrize(
    "word",
    [
        pytest.param([], id="no spike"),
        pytest.param([(5, 3), (5, 3), (5, 3)], id="three in one bin of one channel"),
        pytest.param([(0, 0)], id="the first bin of the first channel"),
        pytest.param([(0, 255)], id="a difference equal to the escape byte"),
        pytest.param([(0, 0), (999, 699)], id="the longest possible gap"),
    ],
)
def test_extreme_words_are_kept(word: list[tuple[int, int]]) -> None:
    splits, _ = pack.unpack(packing.pack({"train": words([word, [(1, 1)], word])}, KEYS))
    assert sorted_spikes(splits["train"]) == [word, [(1, 1)], word]


def test_labels_and_speakers_keep_their_order() -> None:
    train = words([[(1, 2)]] * 3, speakers=[7, 0, 39])
    splits, _ = pack.unpack(packing.pack({"train": train}, KEYS))
    assert splits["train"].labels.tolist() == [0, 1, 2]
    assert splits["train"].speakers.tolist() == [7, 0, 39]


def test_the_same_words_give_the_same_bytes() -> None:
    def packed() -> bytes:
        return packing.pack({"train": words([[(3, 4), (1, 2)]])}, KEYS)

    assert packed() == packed()


def test_a_word_outside_the_format_is_refused() -> None:
    with pytest.raises(ValueError, match="channel 700"):
        packing.pack({"train": words([[(0, 700)]])}, KEYS)
    with pytest.raises(ValueError, match="0 to 2 s"):
        packing.to_bins(np.array([0.5, 2.0]))


@pytest.mark.parametrize(
    "broken", [b"", b"no xz", lzma.compress(b"no json\n"), lzma.compress(b'{"format": 99}\n'), lzma.compress(b"3\n")]
)
def test_other_bytes_are_refused(broken: bytes) -> None:
    with pytest.raises(SpikecheckError, match="spikecheck data make"):
        pack.unpack(broken)


def test_a_truncated_packed_file_is_refused() -> None:
    whole = lzma.decompress(packing.pack({"train": words([[(3, 4), (1, 2)]])}, KEYS))
    with pytest.raises(SpikecheckError, match="spikecheck data make"):
        pack.unpack(lzma.compress(whole[:-1]))


def test_every_bin_survives_the_float16_of_the_hdf5_layout() -> None:
    bins = np.arange(pack.BINS, dtype=np.uint16)
    times = pack.bin_centers_s(bins)
    assert times.dtype == np.float16
    assert packing.to_bins(times.astype(np.float64)).tolist() == bins.tolist()


def test_float16_moves_a_time_by_at_most_a_quarter_of_a_bin() -> None:
    bins = np.arange(pack.BINS, dtype=np.uint16)
    error = np.abs(pack.bin_centers_s(bins).astype(np.float64) - (bins + 0.5) * 2e-3)
    assert error[:500].max() <= 0.25e-3
    assert error[500:].max() <= 0.5e-3


def test_a_bin_includes_its_first_instant() -> None:
    assert packing.to_bins(np.array([0.0, 0.003, 0.0039, 0.004, 1.999])).tolist() == [0, 1, 1, 2, 999]


def test_the_hdf5_file_has_the_layout_of_shd(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="pip install 'spikecheck[reference]'")
    pack.write_hdf5(tmp_path / "some.h5", words([[(3, 4)], []], speakers=[5, 6]), KEYS)
    with h5py.File(tmp_path / "some.h5") as file:
        assert h5py.check_vlen_dtype(file["spikes/times"].dtype) == np.float16
        assert h5py.check_vlen_dtype(file["spikes/units"].dtype) == np.uint16
        assert file["spikes/times"][0] == np.float16(0.007)
        assert [len(units) for units in file["spikes/units"]] == [1, 0]
        assert file["labels"][()].tolist() == [0, 1]
        assert file["extra/speaker"][()].tolist() == [5, 6]
        assert file["extra/keys"][()].tolist() == [key.encode() for key in KEYS]
