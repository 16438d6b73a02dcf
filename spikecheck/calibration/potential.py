"""The membrane potential that a current adds up to, where no spike resets it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from spikecheck.calibration.result import Potential
from spikecheck.errors import SpikecheckError
from spikecheck.neuron import NeuronSpec


def is_linear(neuron: NeuronSpec | None) -> bool:
    """Return whether the potential of a layer can be computed from its current."""
    return (
        neuron is not None
        and neuron.decay is not None
        and neuron.v_threshold is not None
        and not neuron.accumulates
        and not neuron.drops_state
    )


def require_usable(layer: str, neuron: NeuronSpec) -> None:
    """Raise SpikecheckError where no scale of the weights makes the layer fire from its fluctuations."""
    threshold, decay = neuron.v_threshold, neuron.decay
    if threshold is not None and not 0 < threshold < math.inf:
        raise SpikecheckError(f"the threshold of {layer} is {threshold:g}: set one above 0 before calibrate()")
    if decay is not None and not 0 <= decay <= 1:
        raise SpikecheckError(f"the decay of {layer} is {decay:g} per time step: set one of 0 to 1 before calibrate()")


def integrated(current: Tensor, neuron: NeuronSpec) -> Tensor:
    """Return the potential at every time step, in thresholds; time is the first axis."""
    decay, threshold = neuron.decay or 0.0, neuron.v_threshold or 1.0
    remaining = math.exp(-1 / neuron.tau_syn) if neuron.tau_syn else 0.0
    potential = synapse = torch.zeros_like(current[0])
    potentials = []
    for step in current:
        synapse = remaining * synapse + step
        potential = decay * potential + neuron.input_gain * synapse
        potentials.append(potential)
    return torch.stack(potentials) / threshold


def response_to_constant(neuron: NeuronSpec, time_steps: int) -> float:
    """Return the mean potential that a current of 1 in every time step leads to, in thresholds."""
    return float(integrated(torch.ones(time_steps, dtype=torch.float64), neuron).mean())


def measured(neuron: NeuronSpec | None, current: Tensor, spikes: Tensor) -> Potential:
    """Return the potential of a layer, and its firing rate."""
    rate = float((spikes != 0).double().mean())
    if neuron is None or not is_linear(neuron):
        return Potential(None, None, rate)
    potential = integrated(current.double(), neuron)
    return Potential(float(potential.mean()), float(potential.std(unbiased=False)), rate)
