"""Functions that return an argument with another gradient, and layers that return their spikes and a trace as one."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from spikecheck.probe.applications import returns_argument
from spikecheck.probe.frameworks.generic import Joined
from tests.promises.networks import Spike
from tests.unit.probe.test_functional import BATCH, INPUTS, NEURONS, Net, watch
from tests.unit.probe.test_generic import spike_readings


class Substitute(torch.autograd.Function):
    """Shows one tensor, and gives its gradient to both."""

    @staticmethod
    def forward(ctx: Any, differentiable: Tensor, shown: Tensor) -> Tensor:
        return shown

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return gradient, gradient


class ByTrace(nn.Module):
    """A linear layer that is computed on the spikes, and gets the gradient of the same on their traces."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        nn.init.zeros_(self.linear.bias)  # without spikes, all that it returns is 0

    def forward(self, x: Tensor) -> Tensor:
        spikes, trace = x.chunk(2)
        value = self.linear(spikes).detach()
        return Substitute.apply(self.linear(Substitute.apply(spikes, trace)), value)  # type: ignore[no-any-return]


class Traced(nn.Module):
    """One time step of a neuron; while it is trained, it returns its spikes, and below them their trace."""

    def __init__(self, threshold: float) -> None:
        super().__init__()
        self.threshold = threshold

    def forward(self, current: Tensor) -> Tensor:
        self.trace = torch.zeros_like(current) if not hasattr(self, "trace") else self.trace
        spikes: Tensor = Spike.apply(current - self.threshold)
        self.trace = 0.5 * self.trace[: len(spikes)] + spikes.detach()
        return torch.cat([spikes, self.trace]) if self.training else spikes


class Online(nn.Module):
    def __init__(self, threshold: float) -> None:
        super().__init__()
        self.fc, self.lif, self.out = nn.Linear(INPUTS, NEURONS), Traced(threshold), ByTrace(NEURONS, 4)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.lif(self.fc(x.mean(1)))
        return self.out(hidden if self.training else torch.cat([hidden, hidden]))  # type: ignore[no-any-return]


@pytest.mark.parametrize("threshold", [0.1, 100.0], ids=["firing", "silent"])
def test_what_returns_an_argument_with_another_gradient_is_no_layer(threshold: float) -> None:
    _, report = watch(Online(threshold), updates=4)
    assert [row.name for row in report.layers] == ["lif"]


def test_a_function_without_a_module_that_returns_an_argument_is_no_layer() -> None:
    _, report = watch(Net(threshold=100.0, around=lambda z: Substitute.apply(z, 2 * z)))
    assert len(report.layers) == 1


def test_of_spikes_and_their_trace_in_one_tensor_the_spikes_are_counted() -> None:
    model = Online(0.1)
    _, report = watch(model, updates=4)
    (row,) = report.layers
    assert (row.spikes.maximum, row.spikes.non_binary) == (1, 0)
    assert row.spikes.elements == 4 * BATCH * NEURONS
    assert not {"SPK202", "SPK213"} & {finding.check for finding in report.findings}


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_all_that_is_returned_in_evaluation_are_spikes(training: bool) -> None:
    lif, current = Traced(0.1).train(training), torch.rand(BATCH, NEURONS)
    output = lif(current)
    shown = Joined(axis=0, parts=2, part=0).observe(lif, (current,), {}, output)
    assert shown.spikes is not None
    assert torch.equal(shown.spikes, output[:BATCH])


class Estimator(nn.Module):
    """A straight-through estimator as a function of two arguments: a comparison, with the gradient of the potential."""

    def forward(self, potential: Tensor) -> Tensor:
        return Substitute.apply(potential, (potential > 0.1).float())  # type: ignore[no-any-return]


def test_a_comparison_with_the_gradient_of_the_potential_is_a_layer() -> None:
    model = nn.Sequential(OrderedDict(fc=nn.Linear(6, NEURONS), estimator=Estimator(), out=nn.Linear(NEURONS, 3)))
    readings = spike_readings(model)
    assert list(readings) == ["estimator"]
    assert readings["estimator"].active > 0


def test_only_what_is_unchanged_counts_as_an_argument() -> None:
    potential = torch.tensor([[0.2, -0.4]])
    spikes = (potential > 0).float()
    assert returns_argument(potential.clone(), [potential])
    assert returns_argument(potential.view(2, 1), [spikes, potential.view(2, 1)])
    assert not returns_argument(spikes, [potential])
    assert not returns_argument(spikes, [potential, spikes])
    assert not returns_argument(spikes, [spikes]), "changed in place"
    assert not returns_argument(torch.zeros(1, 2), [torch.zeros(1, 2)]), "a silent function of a potential of 0"
