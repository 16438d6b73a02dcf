"""The law of one time step, by a least-squares fit over the neurons that did not spike."""

from __future__ import annotations

import numpy as np

from spikecheck.site import Capture
from spikecheck.state_readings import StepLawReading
from spikecheck.stats.step_laws import EXACT, MIN_SILENT, MIN_SPIKES
from tests.oracles.raster import Captures, mean, number

Law = tuple[float, float | None]  # decay; what a spike adds, if enough neurons spiked


def oracle(captures: Captures) -> tuple[StepLawReading, ...]:
    laws = [law for capture in captures if (law := law_of(capture)) is not None]
    jumps = [jump for _, jump in laws if jump is not None]
    return (
        StepLawReading(
            forward_passes=len(captures),
            exact_passes=len(laws),
            decay=laws[-1][0] if laws else None,
            spike_passes=len(jumps),
            jump=mean(jumps) if jumps else None,
        ),
    )


def law_of(capture: Capture) -> Law | None:
    """Return the law of the first state tensor that is a potential; None where none is."""
    if len(capture.step_tensors) != len(capture.values) + 2:
        return None
    spikes, current, *after = capture.step_tensors
    for before, then in zip(capture.values, after, strict=True):
        if before.shape == then.shape == spikes.shape == current.shape:
            arrays = [number(value).flatten().astype(float) for value in (before, current, then, spikes)]
            if (law := fitted(*arrays)) is not None:
                return law
    return None


def fitted(before: np.ndarray, current: np.ndarray, after: np.ndarray, spikes: np.ndarray) -> Law | None:
    quiet = spikes == 0
    if quiet.sum() < MIN_SILENT or not np.isfinite([before, current, after]).all():
        return None
    columns = np.stack([before, current, np.ones_like(before)], 1)
    factors = np.linalg.lstsq(columns[quiet], after[quiet], rcond=None)[0]
    beyond, largest = after - columns @ factors, np.abs(after).max()
    remembers = bool((before[quiet] != 0).any())
    several = bool((~quiet).any()) and np.abs(after[~quiet] - after[~quiet].mean()).max() > EXACT * largest
    takes_current, forgets = abs(factors[1]) > EXACT, bool((after[quiet] == 0).all()) and several
    if np.abs(beyond[quiet]).max() > EXACT * largest or not largest or not remembers:
        return None
    if not (takes_current or forgets):
        return None
    jump = float(beyond[~quiet].mean()) if (~quiet).sum() >= MIN_SPIKES else 0.0
    return float(factors[0]), jump if abs(jump) > EXACT * largest else None
