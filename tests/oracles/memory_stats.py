"""What each forward went on from, in the middle, and whether its step made use of it, neuron by neuron."""

from __future__ import annotations

from collections.abc import Sequence

from spikecheck.readings import MemoryReading
from spikecheck.site import Capture
from tests.oracles import start_stats
from tests.oracles.raster import Captures, number


def oracle(captures: Captures) -> tuple[MemoryReading, ...]:
    (begun,) = start_stats.oracle(captures)
    told = [told_and_ignored(capture) for capture in captures]
    telling, ignored = (sum(column) for column in zip(*told, strict=True))
    return (MemoryReading(begun.sequences, begun.carried_sequences, begun.largest_potential, telling, ignored),)


def told_and_ignored(capture: Capture) -> tuple[int, int]:
    """Neurons whose state was no multiple of the current; those that handed on a multiple of it and nothing else."""
    if not capture.step_tensors:
        return 0, 0
    spikes, current, *after = (number(value).flatten().tolist() for value in capture.step_tensors)
    before = [number(v).flatten().tolist() for v in capture.values if v.shape == capture.step_tensors[0].shape]
    quiet = [n for n, spike in enumerate(spikes) if spike == 0]
    fired = [n for n, spike in enumerate(spikes) if spike != 0]
    telling = [n for n in quiet if any(b[n] not in (0, 1) and not near(b, current, quiet, n, 0.1) for b in before)]
    decided = all(current[q] <= current[f] for q in quiet for f in fired)
    ignored = [n for n in telling if decided and all(near(a, current, quiet, n, 1e-5) for a in after)]
    return len(telling), len(ignored)


def near(x: Sequence[float], current: Sequence[float], quiet: Sequence[int], n: int, tolerance: float) -> bool:
    """Is x[n] the current times the factor that fits the quiet neurons best?"""
    squares = sum(current[q] ** 2 for q in quiet)
    factor = sum(x[q] * current[q] for q in quiet) / squares if squares else 0.0
    return abs(x[n] - factor * current[n]) <= tolerance * abs(factor * current[n])
