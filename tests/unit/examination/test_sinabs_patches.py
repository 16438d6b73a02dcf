"""What treatments print and change for neurons of sinabs."""

from __future__ import annotations

import ast

import pytest
from torch import Tensor, nn

from spikecheck.examination.treatments.base import Patient, treatment
from tests.unit.examination.subjects import CLASSES, subject


@pytest.fixture
def sinabs_net() -> nn.Module:
    layers = pytest.importorskip("sinabs.layers", reason="pip install --no-deps sinabs==3.1.3")

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc1, self.lif, self.fc2 = nn.Linear(12, 24), layers.LIF(tau_mem=10.0), nn.Linear(24, CLASSES)

        def forward(self, x: Tensor) -> Tensor:
            self.lif.reset_states()
            return self.fc2(self.lif(self.fc1(x))).mean(1)

    return Network()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("at most one spike per step", "model.lif.spike_fn = SingleSpike"),
        ("surrogate gradient as wide as the potentials spread", "SingleExponential(grad_width="),
        ("thresholds of 30", "model.lif.spike_threshold"),
        ("decay of 0.9", "model.lif.norm_input = False"),
    ],
)
def test_the_patch_is_code_of_the_library(sinabs_net: nn.Module, name: str, words: str) -> None:
    own = subject(sinabs_net)
    fix = treatment(name).apply(Patient(own))
    ast.parse(fix.code)
    assert words in fix.code
    own.train(2)
