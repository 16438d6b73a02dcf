"""calibrate: the potential of every layer fluctuates up to its threshold, and nothing but weights changes."""

from __future__ import annotations

import copy
import random
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import spikecheck
from spikecheck import SpikecheckError, calibrate
from tests.promises.networks import LIF, Spike, batch, every

GOAL = pytest.approx(1 / 1.5, rel=0.05)


def sequential(*gains: float, threshold: float = 1.0, size: int = 30) -> nn.Sequential:
    torch.manual_seed(0)
    parts: list[nn.Module] = []
    for number, gain in enumerate(gains):
        linear = nn.Linear(10 if number == 0 else size, size)
        with torch.no_grad():
            linear.weight.mul_(gain)
        parts += [linear, LIF(threshold=threshold)]
    return nn.Sequential(*parts)


def spikes(samples: int = 16) -> Tensor:
    return (torch.rand(20, samples, 10, generator=torch.Generator().manual_seed(1)) < 0.3).float()


@every
def test_the_potential_fluctuates_around_zero_up_to_the_threshold(build: Any) -> None:
    torch.manual_seed(0)
    result = calibrate(build(), batch(32))
    assert result.layers
    for layer in result.layers:
        assert layer.after.deviation == GOAL, str(layer)
        assert layer.after.mean == pytest.approx(0, abs=0.05)


def test_silent_layers_wake_up_and_saturated_ones_calm_down() -> None:
    result = calibrate(sequential(0.01, 100.0, 0.01), spikes())
    assert next(layer.before.rate > 0.2 for layer in result.layers) is False
    assert all(0.002 < layer.after.rate < 0.2 for layer in result.layers), str(result)


def test_the_threshold_lies_as_many_deviations_above_the_mean_as_asked() -> None:
    result = calibrate(sequential(1.0, threshold=7.0), spikes(), deviations_to_threshold=2.5)
    assert result.layers[0].after.deviation == pytest.approx(0.4, rel=0.02)


def test_a_second_calibration_changes_nothing() -> None:
    model = sequential(5.0, 0.1)
    calibrate(model, spikes())
    before = copy.deepcopy(model.state_dict())
    again = calibrate(model, spikes())
    assert [layer.scale for layer in again.layers] == [1.0, 1.0]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_weight_keeps_its_direction() -> None:
    model = sequential(3.0)
    before = model[0].weight.detach().clone()
    (layer,) = calibrate(model, spikes()).layers
    torch.testing.assert_close(model[0].weight, layer.scale * before)
    assert layer.weight == "0.weight"


def test_the_result_prints_each_layer_in_a_line() -> None:
    text = str(calibrate(sequential(1.0, 1.0), spikes()))
    assert text.count("\n") == 1
    assert "1: 0.weight" in text
    assert "0.67 thresholds" in text


def test_chosen_layers_alone_are_calibrated() -> None:
    model = sequential(0.1, 0.1)
    before = model[0].weight.detach().clone()
    assert [one.layer for one in calibrate(model, spikes(), layer="3").layers] == ["3"]
    assert torch.equal(model[0].weight, before)


class Stateful(nn.Module):
    """Keeps its potential from call to call, in an attribute, a buffer and a dictionary, and counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.lif, self.norm, self.drop = nn.Linear(10, 30), LIF(), nn.BatchNorm1d(30), nn.Dropout(0.2)
        self.calls, self.counter, self.memories = 0, torch.zeros(30), {"v": torch.zeros(2)}
        self.register_buffer("total", torch.zeros(30))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.made = torch.rand(3)
        out: Tensor = self.lif(self.drop(self.norm(self.fc(x).flatten(0, 1)).unflatten(0, x.shape[:2])))
        self.memories["v"] = out.sum((0, 1))[:2].detach()
        self.total += out.detach().sum((0, 1))
        self.counter.add_(1)
        np.random.rand(), random.random()
        return out


def test_nothing_but_weights_changes() -> None:
    model = Stateful()
    model.norm.eval()
    model.fc.weight.grad = torch.ones(30, 10)
    states = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    values = {name: buffer.clone() for name, buffer in model.named_buffers()}
    calibrate(model, spikes())
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1:] == (np.random.get_state()[1].tolist(), random.getstate())
    assert {name: buffer.tolist() for name, buffer in model.named_buffers()} == {
        n: v.tolist() for n, v in values.items()
    }
    assert (model.calls, model.counter.sum().item(), model.memories["v"].sum().item()) == (0, 0, 0)
    assert not hasattr(model, "made")
    assert model.training
    assert not model.norm.training
    assert torch.equal(model.fc.weight.grad, torch.ones(30, 10))


def test_a_normalization_between_weight_and_layer_is_scaled() -> None:
    model = Stateful()
    before = model.fc.weight.detach().clone()
    (layer,) = calibrate(model, spikes()).layers
    assert layer.weight == "norm.weight"
    assert layer.after.deviation == GOAL
    assert torch.equal(model.fc.weight, before)


class Convolutional(nn.Module):
    def __init__(self, *, affine: bool = True) -> None:
        super().__init__()
        self.conv, self.norm, self.lif = nn.Conv2d(2, 8, 3, bias=False), nn.BatchNorm2d(8, affine=affine), LIF()
        self.pool, self.conv2, self.lif2 = nn.AvgPool2d(2), nn.Conv2d(8, 8, 3), LIF()

    def forward(self, x: Tensor) -> Tensor:
        def over_time(layer: nn.Module, x: Tensor) -> Tensor:
            out: Tensor = layer(x.flatten(0, 1)).unflatten(0, x.shape[:2])
            return out

        x = self.lif(over_time(self.norm, over_time(self.conv, x)))
        out: Tensor = self.lif2(over_time(self.conv2, over_time(self.pool, x)))
        return out


def images() -> Tensor:
    return (torch.rand(8, 4, 2, 12, 12, generator=torch.Generator().manual_seed(1)) < 0.2).float()


def test_convolutions_with_batch_norm_and_pooling() -> None:
    torch.manual_seed(0)
    result = calibrate(Convolutional(), images())
    assert [(one.layer, one.weight) for one in result.layers] == [("lif", "norm.weight"), ("lif2", "conv2.weight")]
    assert all(one.after.deviation == GOAL for one in result.layers), str(result)


class Recurrent(nn.Module):
    """A spiking layer with a recurrent weight inside."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.decay, self.threshold, self.rec = 0.9, 1.0, nn.Linear(size, size, bias=False)

    def forward(self, current: Tensor) -> Tensor:
        v, s, shown = torch.zeros_like(current[0]), torch.zeros_like(current[0]), []
        for step in current:
            v = self.decay * v + step + self.rec(s)
            s = Spike.apply(v - self.threshold)
            v = v - self.threshold * s.detach()
            shown.append(s)
        return torch.stack(shown)


def test_recurrent_weights_add_a_tenth_of_the_variance() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(10, 40), Recurrent(40))
    (layer,) = calibrate(model, spikes(64)).layers
    assert layer.recurrent_scale is not None
    assert layer.recurrent_scale != 1
    assert layer.after.deviation == pytest.approx((0.9**0.5) / 1.5, rel=0.05), "of the feed-forward part"
    assert 0.002 < layer.after.rate < 0.3


class Unknown(nn.Module):
    """Its decay has no usual name, so that its potential is not known."""

    def forward(self, current: Tensor) -> Tensor:
        v, shown = torch.zeros_like(current[0]), []
        for step in current:
            v = 0.8 * v + step
            s = Spike.apply(v - 5.0)
            v = v * (1 - s.detach())
            shown.append(s)
        return torch.stack(shown)


def test_a_layer_of_unknown_decay_is_brought_to_an_ordinary_rate() -> None:
    torch.manual_seed(0)
    (layer,) = calibrate(nn.Sequential(nn.Linear(10, 40), Unknown()), spikes()).layers
    assert layer.after.deviation is None
    assert layer.before.rate == 0
    assert 0.02 <= layer.after.rate <= 0.2


class Weighing(Unknown):
    """A layer that makes its current of its input inside."""

    def __init__(self, inputs: int, neurons: int) -> None:
        super().__init__()
        self.weights = nn.Linear(inputs, neurons)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.weights(x))


def test_layers_that_hold_their_weights_are_brought_to_an_ordinary_rate() -> None:
    torch.manual_seed(0)
    layers = calibrate(nn.Sequential(Weighing(10, 40), Weighing(40, 40)), spikes()).layers
    assert [layer.weight for layer in layers] == ["0.weights.weight", "1.weights.weight"]
    assert [layer.before.rate for layer in layers] == [0, 0]
    assert all(0.02 <= layer.after.rate <= 0.2 for layer in layers)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        pytest.param(nn.Sequential(LIF(), nn.Linear(10, 3)), "no module with a weight comes before 0", id="no weight"),
        pytest.param(nn.Sequential(nn.Linear(10, 3)), "no spiking layer", id="no layer"),
        pytest.param(sequential(0.0), "nothing reaches 1", id="zero weights"),
        pytest.param(sequential(1.0, float("nan")), "not finite", id="NaN"),
        pytest.param(sequential(1.0, threshold=-0.2), "the threshold of 1 is -0.2", id="threshold below 0"),
    ],
)
def test_what_cannot_be_calibrated_says_so_and_stays_as_it_was(model: nn.Module, words: str) -> None:
    if "nothing" in words:
        nn.init.zeros_(model[0].bias)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(SpikecheckError, match=words):
        calibrate(model, spikes())
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0, equal_nan=True)


def test_a_normalization_without_a_weight_is_named() -> None:
    with pytest.raises(SpikecheckError, match="affine=True"):
        calibrate(Convolutional(affine=False), images())


def test_an_empty_input_is_named() -> None:
    model = sequential(1.0)
    nn.init.zeros_(model[0].bias)
    with pytest.raises(SpikecheckError, match="nothing reaches 1"):
        calibrate(model, torch.zeros(20, 4, 10))


def test_a_monitor_observes_nothing_of_it() -> None:
    model = sequential(1.0)
    with spikecheck.attach(model) as monitor:
        calibrate(model, spikes())
    assert monitor.report().forward_passes == 0
