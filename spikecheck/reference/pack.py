"""Read the packed spike file (2 ms bins, delta-coded, xz-compressed), and write it in the HDF5 layout of SHD.

A packed file is xz over the following bytes. First one line of JSON: format, keys, and the number of words of each
split. Then for each split: labels and speakers (uint16, one per word), the number of spikes of each word (uint32), the
length of the encoded spikes in bytes (uint32), and the encoded spikes. The spikes of a word are sorted by time, then by
channel, and become the integers `bin * 700 + unit`. Each difference between neighbors is stored in one byte; 255 means
"add 255 and continue with the next byte". Two spikes in one bin of one channel have the difference 0, so no spike is
lost. (Measured with bins of 1 ms on 16 words: 5.4 bits per spike; 6.1 sorted by channel; 5.8 as a bitmap.)

The writer is `tools/spoken_digits/packing.py` in the repository.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikecheck.errors import SpikecheckError

FORMAT = 2
BIN_MS = 2
BINS = 1000
UNITS = 700
ESCAPE = 255


@dataclass(frozen=True)
class Words:
    """Spikes of several words: per word, `bins` (2 ms, uint16) and `units` (channel, uint16), both of shape (spikes,).

    `labels` and `speakers`: uint16, shape (words,).
    """

    bins: Sequence[NDArray[np.uint16]]
    units: Sequence[NDArray[np.uint16]]
    labels: NDArray[np.uint16]
    speakers: NDArray[np.uint16]

    def __len__(self) -> int:
        """Return the number of words."""
        return len(self.labels)


def bin_centers_s(bins: NDArray[np.uint16]) -> NDArray[np.float16]:
    """Return the centers of `bins` of 2 ms in seconds, as float16.

    A float16 has 11 significant bits: its values are 0.49 ms apart from 0.5 to 1 s and 0.98 ms apart from 1 to 2 s. The
    center of a bin therefore moves by at most 0.49 ms and stays in its bin; the edge of a bin could leave it.
    """
    return np.asarray((bins.astype(np.float64) + 0.5) * (BIN_MS / 1000), dtype=np.float16)


def _decode(stream: NDArray[np.uint8], counts: NDArray[np.int64]) -> tuple[list[NDArray[np.uint16]], ...]:
    sums = np.cumsum(stream, dtype=np.int64)[stream != ESCAPE]
    bins, units, before = [], [], 0
    for part in np.split(sums, np.cumsum(counts)[:-1]) if len(counts) else []:
        bin_, unit = np.divmod(part - before, UNITS)
        before = part[-1] if part.size else before
        bins.append(bin_.astype(np.uint16))
        units.append(unit.astype(np.uint16))
    return bins, units


def unpack(packed: bytes) -> tuple[dict[str, Words], tuple[str, ...]]:
    """Return the splits and class names of a `packed` file; the spikes of a word are sorted by time, then by channel.

    Raises:
        SpikecheckError: the bytes are no packed spike file.
    """
    try:
        head, _, body = lzma.decompress(packed).partition(b"\n")
        header = json.loads(head)
        if not isinstance(header, dict) or header.get("format") != FORMAT:
            raise SpikecheckError("this spike file has a different format: regenerate it with `spikecheck data make`")
        splits, at = {}, 0
        for name, number in header["splits"].items():
            splits[name], at = _read(body, at, number)
    except (lzma.LZMAError, ValueError) as error:  # ValueError: not JSON, or fewer bytes than the header states
        raise SpikecheckError(f"not a packed spike file ({error}): generate one with `spikecheck data make`") from error
    return splits, tuple(header["keys"])


def _read(body: bytes, at: int, number: int) -> tuple[Words, int]:
    def take(dtype: str, count: int) -> NDArray[Any]:
        nonlocal at
        values = np.frombuffer(body, dtype=dtype, count=count, offset=at)
        at += values.nbytes
        return values

    labels, speakers = (take("<u2", number).astype(np.uint16) for _ in range(2))
    counts = take("<u4", number).astype(np.int64)
    length = int(take("<u4", 1)[0])
    bins, units = _decode(take("u1", length), counts)
    return Words(bins, units, labels, speakers), at


def write_hdf5(path: Path, words: Words, keys: Sequence[str]) -> None:
    """Write `words`, with the class names `keys`, to the HDF5 file `path` in the layout of SHD.

    It has `spikes/times`, `spikes/units`, `labels`, `extra/keys` and `extra/speaker`.

    Source: the data format section of https://zenkelab.org/resources/spiking-heidelberg-datasets-shd/.
    """
    import h5py

    with h5py.File(path, "w") as file:
        times = file.create_dataset("spikes/times", (len(words),), dtype=h5py.vlen_dtype(np.float16))
        units = file.create_dataset("spikes/units", (len(words),), dtype=h5py.vlen_dtype(np.uint16))
        for index in range(len(words)):
            times[index] = bin_centers_s(words.bins[index])
            units[index] = words.units[index]
        file["labels"] = words.labels
        file["extra/keys"] = np.array([key.encode() for key in keys])
        file["extra/speaker"] = words.speakers
