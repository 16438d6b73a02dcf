"""Where a library uses another value than the one that was set, its file says which one; the layer itself is asked."""

from __future__ import annotations

import pytest
import snntorch
import torch

from spikecheck.neuron import ReplacedParameter
from spikecheck.probe.frameworks.snntorch import SNNTorch

LAYERS = {
    "Leaky": lambda decay, **more: snntorch.Leaky(beta=decay, threshold=100.0, **more),
    "Synaptic": lambda decay, **more: snntorch.Synaptic(alpha=0.0, beta=decay, threshold=100.0, **more),
}


def stored(layer: torch.nn.Module) -> float:
    """The share of a potential that is left after a step without input."""
    state = layer.reset_mem()
    state = [torch.zeros(1, 1) for _ in (state if isinstance(state, tuple) else [state])]
    potentials = []
    for current in (torch.ones(1, 1), torch.zeros(1, 1)):
        _, *state = layer(current, *state)
        potentials.append(float(state[-1]))
    return potentials[1] / potentials[0]


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("decay", [-0.5, 0.25, 1.0, 8.0])
def test_the_decay_that_is_said_is_the_one_that_is_used(name: str, decay: float) -> None:
    layer = LAYERS[name](decay)
    spec = SNNTorch().neuron(layer)
    assert spec.decay == stored(layer)
    assert spec.replaced_parameters == (() if 0 <= decay <= 1 else (ReplacedParameter("beta", decay, stored(layer)),))


def test_a_learned_decay_is_said_to_be_learned() -> None:
    spec = SNNTorch().neuron(LAYERS["Leaky"](1.25, learn_beta=True))
    assert spec.replaced_parameters == (ReplacedParameter("beta", 1.25, 1.0, learned=True),)


def test_a_synaptic_decay_is_clamped_too() -> None:
    spec = SNNTorch().neuron(snntorch.Synaptic(alpha=5.0, beta=0.9))
    assert spec.replaced_parameters == (ReplacedParameter("alpha", 5.0, 1.0),)
