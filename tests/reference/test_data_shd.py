"""The packed set opens as tonic's SHD, in any folder and in several processes, without network access."""

from __future__ import annotations

import multiprocessing
import socket
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from spikecheck.errors import SpikecheckError
from tests.reference.data_words import KEYS, words
from tools.spoken_digits import packing

pytest.importorskip("tonic", reason="pip install 'spikecheck[reference]'")
pytest.importorskip("h5py", reason="pip install 'spikecheck[reference]'")

import tonic

from spikecheck.reference import shd

SMALL = {
    "train": words([[(10, 3), (12, 699)], [(0, 0)]], speakers=[4, 9]),
    "test": words([[(650, 350)]], speakers=[11]),
}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("attempted a download")

    monkeypatch.setenv("SPIKECHECK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    path = tmp_path / "small.xz"
    path.write_bytes(packing.pack(SMALL, KEYS))
    return path


def test_tonics_own_class_reads_the_unpacked_set(packed: Path) -> None:
    dataset = tonic.datasets.SHD(str(shd.unpacked(packed)), train=True)
    events, label = dataset[0]
    assert events.dtype.names == ("t", "x", "p")
    assert (events["t"] // 2000).tolist() == [10, 12]
    assert events["x"].tolist() == [3, 699]
    assert events["p"].tolist() == [1, 1]
    assert (int(label), len(dataset)) == (0, 2)


def test_late_spikes_keep_their_bin(packed: Path) -> None:
    events, _ = tonic.datasets.SHD(str(shd.unpacked(packed)), train=False)[0]
    assert (events["t"] // 2000).tolist() == [650]


def test_speakers_labels_and_names_are_those_of_the_set(packed: Path) -> None:
    dataset = shd.open_digits(shd.unpacked(packed), train=True)
    assert shd.speakers(dataset).tolist() == [4, 9]
    assert shd.labels(dataset).tolist() == [0, 1]
    assert shd.class_names(dataset) == KEYS


def test_a_transform_is_applied_to_the_events(packed: Path) -> None:
    dataset = shd.open_digits(shd.unpacked(packed), train=True, transform=len)
    assert [sample for sample, _ in (dataset[0], dataset[1])] == [2, 1]


def test_unpacking_twice_writes_once(packed: Path) -> None:
    file = shd.unpacked(packed) / "SHD/shd_train.h5"
    written = file.stat().st_mtime_ns
    assert shd.unpacked(packed) / "SHD/shd_train.h5" == file
    assert file.stat().st_mtime_ns == written


def test_a_deleted_file_is_written_again(packed: Path) -> None:
    folder = shd.unpacked(packed)
    (folder / "SHD/shd_test.h5").unlink()
    (folder / "SHD/shd_test.h5.zip").unlink()
    assert len(tonic.datasets.SHD(str(shd.unpacked(packed)), train=False)) == 1


def test_a_different_set_gets_a_different_folder(packed: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.xz"
    other.write_bytes(packing.pack({**SMALL, "test": words([[]])}, KEYS))
    assert shd.unpacked(other) != shd.unpacked(packed)


def test_two_processes_may_unpack_at_once(packed: Path) -> None:
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        folders = list(pool.map(shd.unpacked, [packed] * 4))
    assert len(set(folders)) == 1
    names = sorted(path.name for path in (folders[0] / "SHD").iterdir())
    assert names == ["shd_test.h5", "shd_test.h5.zip", "shd_train.h5", "shd_train.h5.zip"]
    assert len(tonic.datasets.SHD(str(folders[0]), train=True)) == 2


def test_a_folder_without_shd_is_an_error_and_no_download(tmp_path: Path) -> None:
    with pytest.raises(SpikecheckError, match=r"shd_train\.h5 does not exist"):
        shd.open_digits(tmp_path, train=True)


def test_a_real_folder_opens_without_its_zip_file(packed: Path) -> None:
    folder = shd.unpacked(packed)
    (folder / "SHD/shd_train.h5.zip").unlink()
    assert len(shd.open_digits(folder, train=True)) == 2


def test_an_incomplete_download_is_refused(tmp_path: Path) -> None:
    (tmp_path / "SHD").mkdir()
    (tmp_path / "SHD/shd_train.h5").write_bytes(b"\x89HDF\r\n\x1a\n and no more")
    with pytest.raises(SpikecheckError, match="no readable SHD"):
        shd.open_digits(tmp_path, train=True)


def test_a_cache_that_cannot_be_written_names_the_variable(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a file").touch()
    monkeypatch.setenv("SPIKECHECK_CACHE", str(tmp_path / "a file"))
    with pytest.raises(SpikecheckError, match="SPIKECHECK_CACHE"):
        shd.unpacked(packed)


def test_the_packaged_set() -> None:
    train, test = (shd.open_digits(None, train=part) for part in (True, False))
    assert (len(train), len(test)) == (640, 160)
    assert len(shd.class_names(train)) == shd.CLASSES
    assert not set(shd.speakers(train)) & set(shd.speakers(test))
    assert np.bincount(shd.labels(train), minlength=20).tolist() == [32] * 20
    assert np.bincount(shd.labels(test), minlength=20).tolist() == [8] * 20
    events, label = test[0]
    assert int(label) == shd.labels(test)[0]
    assert 500 < len(events) < 20_000
    assert np.all(np.diff(events["t"]) >= 0)
    assert 0 <= events["x"].min() <= events["x"].max() < 700


def test_the_packaged_file_is_small() -> None:
    assert shd.PACKED.stat().st_size < 3_500_000
