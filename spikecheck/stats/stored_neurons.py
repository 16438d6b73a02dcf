"""What a checkpoint says of neurons and of the optimizer: their parameters, and what their weights allow them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor

from spikecheck.stored import MomentReading, StoredNeuronReading, StoredReading


def neuron_reading(role: str, values: Tensor, layer: str, *, outer: bool, last: bool) -> StoredNeuronReading:
    """The values of one neuron parameter [1] or [neuron]: a threshold, a decay or a time constant."""
    outside = (values < 0) | (values > 1) if role == "decay" else values <= 0
    return StoredNeuronReading(
        role=role,
        minimum=float(values.min()),
        maximum=float(values.max()),
        elements=values.numel(),
        out_of_range=int(outside.sum()),
        layer=layer,
        reads_model_input=outer,
        is_last_layer=last,
    )


def with_reach(
    reading: StoredNeuronReading, threshold: Tensor, drives: Iterable[Tensor], decays: Iterable[Tensor]
) -> StoredNeuronReading:
    """The reading with the highest potential that its weights allow; unchanged where that cannot be told.

    Args:
        reading: of the threshold.
        threshold: its values, [1] or [neuron].
        drives: for every weight and bias, what it adds in a step in which all its positive inputs spike: [neuron].
        decays: the factors a step of potential and current, each [1] or [neuron].
    """
    total: Tensor | None = None
    for drive in drives:
        if total is not None and total.shape != drive.shape:
            return reading
        total = drive.clone() if total is None else total + drive
    if total is None or threshold.numel() not in (1, total.numel()):
        return reading
    for decay in decays:
        if decay.numel() not in (1, total.numel()):
            return reading
        total = torch.where(total > 0, total / (1 - decay.flatten().clamp(0, 1)), total)
    reach = float(total.max())
    if math.isnan(reach):
        return reading
    under = int((total < threshold.flatten()).sum())
    return replace(reading, max_potential=reach, unreachable_neurons=under, neurons=total.numel())


def moment_reading(
    slots: Iterable[StoredReading], *, others: int, steps: float | None, rate: float | None
) -> MomentReading:
    """What the moments of one parameter say together."""
    given = tuple(slots)
    ends = [abs(end) for slot in given for end in (slot.minimum, slot.maximum) if end is not None and slot.measured]
    return MomentReading(not given, others, max(ends, default=None), steps, rate)
