"""Time steps that received a gradient, per forward pass."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from spikecheck.update_readings import GradientToSpikesReading
from tests.oracles.raster import Captures, number


def oracle(captures: Captures) -> tuple[GradientToSpikesReading, ...]:
    halves = [(c.values[: len(c.values) // 2], c.values[len(c.values) // 2 :]) for c in captures]
    passes = [(nonzero(gradients), nonzero(spikes)) for gradients, spikes in halves]
    early = [(gradients, any(spikes[:-1])) for gradients, spikes in passes]
    return (
        GradientToSpikesReading(
            forward_passes=len(passes),
            time_steps=sum(len(gradients) for gradients, _ in passes),
            last_step_only=sum(sum(gradients) == 1 and gradients[-1] and fired for gradients, fired in early),
            early_spike_passes=sum(fired for _, fired in early),
        ),
    )


def nonzero(values: Sequence[Tensor]) -> list[bool]:
    return [v != 0 for value in values for v in number(value).flatten().tolist()]
