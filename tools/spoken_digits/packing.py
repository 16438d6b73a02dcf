"""Write the packed spike file; `spikecheck/reference/pack.py` describes the format and reads it."""

from __future__ import annotations

import json
import lzma
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from spikecheck.reference.pack import BIN_MS, BINS, ESCAPE, FORMAT, UNITS, Words

FILTERS = [  # a larger dictionary saves nothing
    {"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 2**20, "lc": 4, "pb": 0},
]


def to_bins(times_s: NDArray[np.float64]) -> NDArray[np.uint16]:
    """Return the index of the 2 ms bin of each time in seconds. Raises ValueError for a time outside 0 to 2 s."""
    bins = np.floor(times_s * 1000 / BIN_MS + 1e-6)  # 1e-6: a time may be a rounding error before its bin
    if bins.size and not 0 <= bins.min() <= bins.max() < BINS:
        raise ValueError(f"times from {times_s.min():.3f} to {times_s.max():.3f} s: a packed word lasts 0 to 2 s")
    return np.asarray(bins, dtype=np.uint16)


def _encode(words: Words) -> bytes:
    parts = [np.zeros(0, dtype=np.int64)]
    for bins, units in zip(words.bins, words.units, strict=True):
        if units.size and units.max() >= UNITS:
            raise ValueError(f"channel {units.max()}: a packed set has {UNITS}")
        parts.append(np.diff(np.sort(bins.astype(np.int64) * UNITS + units), prepend=0))
    escapes, rest = np.divmod(np.concatenate(parts), ESCAPE)
    stream = np.full(int(escapes.sum()) + len(rest), ESCAPE, dtype=np.uint8)
    stream[np.cumsum(escapes + 1) - 1] = rest
    return stream.tobytes()


def pack(splits: Mapping[str, Words], keys: Sequence[str]) -> bytes:
    """Pack named splits and the class names in the order of the labels; the same input gives the same bytes.

    Raises ValueError for a channel above 699.
    """
    header = {"format": FORMAT, "keys": list(keys), "splits": {name: len(words) for name, words in splits.items()}}
    parts = [json.dumps(header).encode() + b"\n"]
    for words in splits.values():
        counts = np.array([len(bins) for bins in words.bins], dtype="<u4")
        parts += [words.labels.astype("<u2").tobytes(), words.speakers.astype("<u2").tobytes(), counts.tobytes()]
        stream = _encode(words)
        parts += [len(stream).to_bytes(4, "little"), stream]
    return lzma.compress(b"".join(parts), format=lzma.FORMAT_XZ, filters=FILTERS)
