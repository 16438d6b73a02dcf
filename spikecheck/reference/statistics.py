"""Summary figures of a spike set, for `spikecheck data show` and docs/reference-data.md."""

from __future__ import annotations

import numpy as np

from spikecheck.reference import pack


def summary(words: pack.Words) -> dict[str, str]:
    """Return the counts of `words`, speakers and spikes, durations, and spikes per bin, as {name: text}."""
    if not len(words):
        return dict.fromkeys(("words", "speakers", "spikes per word", "last spike (ms)", *_BINS), "0")
    spikes = np.array([len(bins) for bins in words.bins])
    last = pack.BIN_MS * np.array([bins.max(initial=0) for bins in words.bins])
    return {
        "words": str(len(words)),
        "speakers": str(len(np.unique(words.speakers))),
        "spikes per word": f"{spikes.mean():.0f} ({spikes.min()} to {spikes.max()})",
        "last spike (ms)": f"{last.mean():.0f} ({last.min()} to {last.max()})",
        **{name: _in_bins(words, width) for name, width in _BINS.items()},
    }


_BINS = {f"{width} ms bins: max, single spikes": width for width in (2, 4, 10, 20)}


def _in_bins(words: pack.Words, width_ms: int) -> str:
    counts = np.concatenate(
        [
            np.unique(bins.astype(np.int64) * pack.BIN_MS // width_ms * pack.UNITS + units, return_counts=True)[1]
            for bins, units in zip(words.bins, words.units, strict=True)
        ]
    )
    return f"{counts.max(initial=0)}; {np.mean(counts == 1):.1%}"
