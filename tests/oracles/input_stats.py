"""Input values, element by element."""

from __future__ import annotations

import math

import numpy as np

from spikecheck.readings import InputReading
from tests.oracles.raster import (
    Captures,
    Raster,
    distinct_batches,
    everything,
    high,
    low,
    non_finite,
    not_integer,
    raster,
    smallest,
    step_sums,
    timed,
)
from tests.oracles.shares import profile, share_of_mean


def oracle(captures: Captures) -> tuple[InputReading, ...]:
    first = captures[0]
    values = everything(captures)
    masses = [(raster(c) ** 2).sum(2) for c in captures]
    sample_variance_share = [[float(v) for v in mass[:, b]] for mass in masses for b in range(mass.shape[1])]
    timed_samples = [
        [float(v) for v in mass[:, b]]
        for c, mass in zip(captures, masses, strict=True)
        for b in range(mass.shape[1])
        if c.layout.time is not None and mass[:, b].sum() != 0
    ]
    shares = [largest_share(frames) for frames in timed_samples]
    empty = sum(sum(frames) == 0 for frames in sample_variance_share)
    active = channels(captures) if timed(captures) else []
    reading = InputReading(
        forward_passes=len(captures),
        shape=((len(first.values),) if first.stacked else ()) + tuple(first.values[0].shape),
        dtype=str(first.values[0].dtype).removeprefix("torch."),
        time_steps=raster(first).shape[0] if timed(captures) else None,
        elements=len(values),
        count=sum(values),
        active=sum(v != 0 for v in values),
        above_one=sum(v > 1 for v in values),
        negative=sum(v < 0 for v in values),
        minimum=low(values),
        maximum=high(values),
        values=smallest(values),
        sampled_elements=len(values),
        non_integer=sum(map(not_integer, values)),
        non_finite=non_finite(step_sums(captures), timed=timed(captures)),
        frames=sum(mass.size for mass in masses),
        filled_frames=sum(v != 0 for mass in masses for v in mass.flatten().tolist()),
        samples=len(sample_variance_share),
        empty_samples=empty,
        densest_frame_share=sum(shares) / max(1, len(shares)),
        constant_forward_passes=sum(map(constant, map(raster, captures))),
        profile=profile([share_of_mean(mass.sum(1)) for mass in masses]),
        channels=len(active),
        silent_channels=sum(not one for one in active),
        silent_half=one_half_silent(active),
        distinct_batches=distinct_batches(raster(c).flatten().tolist() for c in captures),
    )
    return (reading,)


def channels(captures: Captures) -> list[bool]:
    """Return for each channel whether any of its sums over the batch is not 0; empty without elements."""
    full = [x for x in map(raster, captures) if x.size]
    return (
        [any(bool((x.sum(1)[:, n] != 0).any()) for x in full if n < x.shape[2]) for n in range(full[0].shape[2])]
        if full
        else []
    )


def one_half_silent(active: list[bool]) -> bool:
    """Return whether one polarity is silent and more than half of the other is active, on either axis order."""
    if len(active) % 2:
        return False
    for shape in ((2, -1), (-1, 2)):
        grid = np.reshape(active, shape)
        polarities = grid if shape[0] == 2 else grid.T
        for one, other in (polarities, polarities[::-1]):
            if not one.any() and 2 * other.sum() > len(other):
                return True
    return False


def largest_share(frames: list[float]) -> float:
    """Return the share of a sample in its largest frame; 0 if it is undefined."""
    total = sum(frames)
    return max(frames) / total if 0 < total < math.inf else 0.0


def constant(x: Raster) -> bool:
    """Return whether the sums of all time steps are equal."""
    if x.shape[0] < 2 or x.shape[1] == 0:
        return False
    with np.errstate(invalid="ignore"):
        sums = np.concatenate([x.sum(1), (x**2).sum(2)], axis=1)
        largest = np.abs(sums).max()
        return bool(np.isfinite(largest) and (sums.max(0) - sums.min(0)).max() <= 1e-5 * largest)
