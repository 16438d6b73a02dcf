"""The weight by which each neuron of a layer feeds its own spikes back to itself."""

from __future__ import annotations

import pytest
import snntorch as snn
import torch
from torch import nn

from spikecheck.probe.frameworks.snntorch import SNNTorch


@pytest.mark.parametrize(
    ("layer", "weight"),
    [
        (snn.RLeaky(beta=0.9, V=3.0, all_to_all=False), 3.0),
        (snn.RLeaky(beta=0.9, V=torch.tensor([1.0, 3.0]), all_to_all=False, learn_recurrent=False), 2.0),
        (snn.RLeaky(beta=0.9, linear_features=4), None),
        (snn.Leaky(beta=0.9), None),
    ],
    ids=["learned", "one for each neuron", "a matrix", "not recurrent"],
)
def test_it_is_read_from_the_layer(layer: nn.Module, weight: float | None) -> None:
    assert SNNTorch().neuron(layer).self_weight == weight
