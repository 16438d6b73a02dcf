"""Readings of stored neuron parameters and optimizer moments, and the potential that the weights allow."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor

from spikecheck.stored import MomentReading, StoredNeuronReading, StoredReading


def neuron_reading(role: str, values: Tensor, layer: str, *, outer: bool, last: bool) -> StoredNeuronReading:
    """Return the reading of one neuron parameter [1] or [neuron]: a threshold, a decay or a time constant."""
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
    """Add the highest potential that the weights allow to a reading; return it unchanged if that is unknown.

    Args:
        reading: reading of the threshold.
        threshold: its values, [1] or [neuron].
        drives: for every weight and bias, its contribution per time step if all inputs with positive weights spike:
            [neuron].
        decays: the factors per time step of potential and current, each [1] or [neuron].
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
    max_potential = float(total.max())
    if math.isnan(max_potential):
        return reading
    under = int((total < threshold.flatten()).sum())
    return replace(reading, max_potential=max_potential, unreachable_neurons=under, neurons=total.numel())


def moment_reading(
    slots: Iterable[StoredReading], *, others: int, steps: float | None, rate: float | None
) -> MomentReading:
    """Return the reading of all optimizer moments of one parameter."""
    moments = tuple(slots)
    ends = [abs(end) for slot in moments for end in (slot.minimum, slot.maximum) if end is not None and slot.measured]
    return MomentReading(not moments, others, max(ends, default=None), steps, rate)
