"""The state in the middle of each forward pass, and whether the step uses it, neuron by neuron."""

from __future__ import annotations

from collections.abc import Sequence

from spikecheck.site import Capture
from spikecheck.state_readings import MemoryReading
from tests.oracles import initial_state_stats
from tests.oracles.raster import Captures, number


def oracle(captures: Captures) -> tuple[MemoryReading, ...]:
    (initial,) = initial_state_stats.oracle(captures)
    counts = [informative_and_memoryless(capture) for capture in captures]
    informative, memoryless = (sum(column) for column in zip(*counts, strict=True))
    return (MemoryReading(initial.sequences, initial.carried_sequences, informative, memoryless),)


def informative_and_memoryless(capture: Capture) -> tuple[int, int]:
    """Count informative elements, and those of them whose next state is a multiple of the current."""
    if not capture.step_tensors:
        return 0, 0
    spikes, current, *after = (number(value).flatten().tolist() for value in capture.step_tensors)
    before = [number(v).flatten().tolist() for v in capture.values if v.shape == capture.step_tensors[0].shape]
    quiet = [n for n, spike in enumerate(spikes) if spike == 0]
    fired = [n for n, spike in enumerate(spikes) if spike != 0]
    informative = [n for n in quiet if any(b[n] not in (0, 1) and not near(b, current, quiet, n, 0.1) for b in before)]
    decided = all(current[q] <= current[f] for q in quiet for f in fired)
    memoryless = [n for n in informative if decided and all(near(a, current, quiet, n, 1e-5) for a in after)]
    return len(informative), len(memoryless)


def near(x: Sequence[float], current: Sequence[float], quiet: Sequence[int], n: int, tolerance: float) -> bool:
    """Return whether x[n] is the current times the factor that fits the silent neurons best."""
    squares = sum(current[q] ** 2 for q in quiet)
    factor = sum(x[q] * current[q] for q in quiet) / squares if squares else 0.0
    return abs(x[n] - factor * current[n]) <= tolerance * abs(factor * current[n])
