"""What the spike function of hand-written neurons is applied to, in the ways in which they are written."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import spikecheck
from spikecheck.probe.spike_argument import jump_at
from spikecheck.readings import FlowReading
from spikecheck.site import SpikeArgument
from tests.promises.networks import Spike

STEPS, BATCH, CHANNELS, NEURONS = 12, 8, 10, 16
Rule = Callable[[Tensor], tuple[Tensor, Tensor]]  # of a potential after charging: the spikes, and what remains


def spike(x: Tensor) -> Tensor:
    return Spike.apply(x)  # type: ignore[no-any-return, no-untyped-call]


def spikes_first(v: Tensor) -> tuple[Tensor, Tensor]:
    s = spike(v - 1.0)
    return s, v * (1 - s.detach())


def on_the_potential(v: Tensor) -> tuple[Tensor, Tensor]:
    s = spike(torch.where(v >= 1.0, v, torch.zeros_like(v)))  # a function with its threshold inside, say
    return s, v * (1 - s.detach())


def chosen(v: Tensor) -> tuple[Tensor, Tensor]:
    v = torch.where(v >= 1.0, torch.zeros_like(v), v)
    return spike(v - 1.0), v


def masked(v: Tensor) -> tuple[Tensor, Tensor]:
    v = v.masked_fill(v >= 1.0, 0.2)
    return spike(v - 1.0), v


def multiplied(v: Tensor) -> tuple[Tensor, Tensor]:
    v = v * (v < 1.0)
    return spike(v - 1.0), v


class Layer(nn.Module):
    """A layer that makes its current inside, from input of shape [batch, step, channel]."""

    def __init__(self, rule: Rule, gain: float) -> None:
        super().__init__()
        self.fc, self.rule = nn.Linear(CHANNELS, NEURONS), rule
        with torch.no_grad():
            self.fc.weight.copy_(gain * torch.randn_like(self.fc.weight))

    def forward(self, x: Tensor) -> Tensor:
        v, shown = x.new_zeros(len(x), NEURONS), []
        for step in range(x.shape[1]):
            s, v = self.rule(0.9 * v + self.fc(x[:, step]))
            shown.append(s)
        return torch.stack(shown, 1)


class Net(nn.Module):
    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.layer, self.readout = layer, nn.Linear(NEURONS, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.readout(self.layer(x).mean(1))  # type: ignore[no-any-return]


def argument_in(rule: Rule, gain: float = 0.5, layer: type[Layer] = Layer) -> SpikeArgument:
    torch.manual_seed(0)
    net = Net(layer(rule, gain))
    monitor = spikecheck.attach(net)
    for _ in range(2):
        net(torch.rand(BATCH, STEPS, CHANNELS)).sum().backward()
    argument = monitor.evidence().observations.windows["recent"]["layer"][FlowReading].argument
    assert argument is not None
    return argument


@pytest.mark.parametrize("rule", [chosen, masked, multiplied])
def test_potentials_that_are_reset_before_they_are_compared_are_counted(rule) -> None:
    argument = argument_in(rule)
    assert argument.resets > 50
    assert argument.threshold == 0.0
    assert -0.2 < argument.maximum < 0.0


def test_a_reset_after_the_spike_is_none_of_them() -> None:
    assert argument_in(spikes_first).resets == 0
    assert argument_in(on_the_potential).resets == 0


def test_the_size_of_the_potentials_follows_the_weights() -> None:
    small, large = argument_in(spikes_first), argument_in(spikes_first, gain=100.0)
    assert large.rms == pytest.approx(200 * small.rms, rel=0.5)
    assert large.maximum > 100 * small.maximum


class LateLayer(Layer):
    """The same with spikes of the potential before this time step's input."""

    def forward(self, x: Tensor) -> Tensor:
        v, shown = x.new_zeros(len(x), NEURONS), []
        for step in range(x.shape[1]):
            s = spike(v - 1.0)
            v = 0.9 * v * (1 - s.detach()) + self.fc(x[:, step])
            shown.append(s)
        return torch.stack(shown, 1)


def test_spikes_of_the_initial_state_are_late() -> None:
    assert not argument_in(spikes_first).is_late
    assert argument_in(spikes_first, layer=LateLayer).is_late


@pytest.mark.parametrize(
    ("spread", "added", "jump"),
    [
        pytest.param(0.5, -1.0, -1.0, id="a spike subtracts the threshold"),
        pytest.param(0.5, 1.0, 1.0, id="a spike adds it"),
        pytest.param(0.5, 0.0, None, id="no reset"),
        pytest.param(30.0, -1.0, None, id="values far apart"),
        pytest.param(5e-4, -1.0, None, id="too few spikes"),
    ],
)
def test_what_a_spike_adds_shows_beside_values_just_below_the_threshold(spread, added, jump) -> None:
    torch.manual_seed(0)
    v = torch.cat([spread * torch.randn(4000) if spread > 0.01 else torch.rand(4000) - 0.999, torch.rand(40)])
    s = (v > 0).float()
    current = 0.3 * torch.randn_like(v) + 0.2 * v  # what has had much input gets more
    measured = jump_at(torch.stack([v, 0.9 * v + current + added * s]), torch.stack([s, s]))
    assert measured == (None if jump is None else pytest.approx(jump, abs=0.1))
