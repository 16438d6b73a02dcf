"""Laws of calibrate: whatever the scale of weights, input, decay and threshold, the potential comes out the same."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from spikecheck import calibrate
from spikecheck.calibration.calibrate import RAISE
from tests.promises.networks import LIF

torch.set_num_threads(1)
few = settings(max_examples=10, deadline=None, database=None)
powers = st.floats(-3, 3).map(lambda power: 10**power)


def network(gains: list[float], decay: float, threshold: float, seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for number, gain in enumerate(gains):
        linear = nn.Linear(12 if number == 0 else 20, 20, bias=number % 2 == 0)
        with torch.no_grad():
            linear.weight.mul_(gain)
        layers += [linear, LIF(decay, threshold)]
    return nn.Sequential(*layers)


@few
@given(
    st.lists(powers, min_size=1, max_size=3),
    st.floats(0, 1),
    powers,
    st.floats(0.1, 1),
    st.floats(1, 3),
    st.integers(0, 9),
)
def test_every_layer_comes_to_the_deviation_that_was_asked_for(
    gains: list[float], decay: float, threshold: float, rate: float, deviations: float, seed: int
) -> None:
    model = network(gains, decay, threshold, seed)
    x = (torch.rand(15, 32, 12) < rate).float()
    for layer in calibrate(model, x, deviations_to_threshold=deviations).layers:
        mean, deviation = layer.after.mean, layer.after.deviation
        assert mean is not None
        assert deviation is not None
        assert layer.after.rate > 0, "silent layers are woken up, by a larger deviation where that takes one"
        raised = math.log((mean**2 + deviation**2) ** 0.5 * deviations, RAISE)
        assert raised == pytest.approx(round(raised), abs=0.2)
        assert round(raised) >= 0
        assert round(raised) == 0 or layer.after.rate < 0.2


@few
@given(st.lists(powers, min_size=2, max_size=3), st.integers(0, 9))
def test_the_scale_of_the_weights_before_does_not_matter(gains: list[float], seed: int) -> None:
    """Networks that differ in the scale of their weights alone become the same network."""
    one, other = network(gains, 0.9, 1.0, seed), network([1.0] * len(gains), 0.9, 1.0, seed)
    for first, second in zip(one, other, strict=True):
        if isinstance(first, nn.Linear) and first.bias is not None:
            nn.init.zeros_(first.bias), nn.init.zeros_(second.bias)
    x = (torch.rand(15, 16, 12, generator=torch.Generator().manual_seed(seed)) < 0.3).float()
    calibrate(one, x), calibrate(other, x)
    for name, value in one.state_dict().items():
        torch.testing.assert_close(value, other.state_dict()[name], rtol=1e-2, atol=1e-3)
