"""One module that serves several layers is as many layers; one that several modules share is a part of each."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import spikecheck
from spikecheck.report.model import Report
from tests.promises.networks import LIF, Spike

STEPS, BATCH, INPUTS, WIDTH = 6, 8, 10, 12


class Shared(nn.Module):
    """One spiking module for whole sequences, used after each of three linear ones of one width."""

    def __init__(self, threshold: float = 0.3) -> None:
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(INPUTS, WIDTH), nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.spike = LIF(threshold=threshold)

    def forward(self, x: Tensor) -> Tensor:
        for fc in (self.fc1, self.fc2, self.fc3):
            x = self.spike(fc(x))
        return x.mean(0)


class Comparison(nn.Module):
    """A surrogate in a module; keeps no state."""

    def forward(self, v: Tensor) -> Tensor:
        spikes: Tensor = Spike.apply(v - 0.3)
        return spikes


class StepByStep(nn.Module):
    """One comparison for two layers, within the loop over time."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2, self.spike = nn.Linear(INPUTS, WIDTH), nn.Linear(WIDTH, WIDTH), Comparison()

    def forward(self, x: Tensor) -> Tensor:
        v1 = v2 = torch.zeros(x.shape[1], WIDTH)
        total = torch.zeros(x.shape[1], WIDTH)
        for frame in x:
            v1 = 0.9 * v1 + self.fc1(frame)
            v2 = 0.9 * v2 + self.fc2(self.spike(v1))
            total = total + self.spike(v2)
        return total / len(x)


class Recurrent(nn.Module):
    """One layer, fed by its input and from the second step on by itself: its calls are time steps."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.back, self.spike = nn.Linear(INPUTS, WIDTH), nn.Linear(WIDTH, WIDTH), Comparison()

    def forward(self, x: Tensor) -> Tensor:
        total = v = spikes = torch.zeros(x.shape[1], WIDTH)
        for step, frame in enumerate(x):
            v = 0.9 * v + self.fc(frame)
            v = v + self.back(spikes) if step else v
            spikes = self.spike(v)
            total = total + spikes
        return total / len(x)


SURROGATE = Comparison()  # made once, as a default argument is


class Neuron(nn.Module):
    """Keeps its potential, and shares the surrogate with all others."""

    def __init__(self) -> None:
        super().__init__()
        self.surrogate, self.v = SURROGATE, 0.0

    def forward(self, current: Tensor) -> Tensor:
        shown = []
        v: Tensor | float = 0.0
        for step in current:
            v = 0.9 * v + step
            shown.append(self.surrogate(v))
        return torch.stack(shown)


class TimeLast(nn.Module):
    """One module for maps and for vectors, with the time in the last axis of both."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc, self.spike = nn.Conv2d(1, 2, 3, padding=1), nn.Linear(2 * INPUTS, WIDTH), LastAxis()

    def forward(self, x: Tensor) -> Tensor:
        steps = x.unbind(0)  # [batch, input] each
        maps = torch.stack([self.conv(step.reshape(BATCH, 1, 2, INPUTS // 2)) for step in steps], -1)
        vectors = torch.stack([self.fc(step.flatten(1)) for step in self.spike(maps).unbind(-1)], -1)
        y: Tensor = self.spike(vectors).mean(-1)
        return y


class LastAxis(nn.Module):
    """Neurons that loop over the last axis of whatever they get, into a tensor that is there already."""

    def forward(self, current: Tensor) -> Tensor:
        v, out = torch.zeros(current.shape[:-1]), torch.zeros(current.shape)
        for step in range(current.shape[-1]):
            v = 0.9 * v * (1 - out[..., max(step - 1, 0)]) + current[..., step]
            out[..., step] = Spike.apply(v - 0.3)
        return out


def report_of(model: nn.Module, updates: int = 12) -> Report:
    torch.manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    with spikecheck.attach(model, on_finding=lambda _: None, every=1) as monitor:
        for _ in range(updates):
            x, y = (torch.rand(STEPS, BATCH, INPUTS) < 0.4).float(), torch.randint(3, (BATCH,))
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        report = monitor.report()
        assert monitor.watching, str(report)
    return report


def shapes(report: Report, updates: int = 12) -> dict[str, tuple[int, int]]:
    return {row.name: (row.spikes.time_steps // updates, row.spikes.neurons) for row in report.layers}


def test_every_use_of_one_module_is_a_layer_with_its_own_steps() -> None:
    report = report_of(Shared())
    names = ["spike (1st use)", "spike (2nd use)", "spike (3rd use)"]
    assert shapes(report) == {name: (STEPS, WIDTH) for name in names}
    assert "SPK310" not in {finding.check for finding in report.findings}


def test_the_last_axis_is_time_whatever_the_number_of_axes() -> None:
    report = report_of(TimeLast())
    assert shapes(report) == {"spike (1st use)": (STEPS, 2 * INPUTS), "spike (2nd use)": (STEPS, WIDTH)}


def test_the_fix_of_one_use_names_the_module_and_says_that_it_is_shared() -> None:
    net = Shared(threshold=20.0)
    fixes = [finding.fix for finding in report_of(net).findings if finding.check == "SPK203"]
    assert fixes
    assert all("model.spike.threshold = " in fix and "one module serves several layers" in fix for fix in fixes)


def test_the_uses_within_a_loop_over_time_are_told_apart() -> None:
    assert shapes(report_of(StepByStep())) == {"spike (1st use)": (STEPS, WIDTH), "spike (2nd use)": (STEPS, WIDTH)}


def test_the_calls_of_a_recurrent_layer_are_its_time_steps() -> None:
    assert shapes(report_of(Recurrent())) == {"spike": (STEPS, WIDTH)}


def test_a_surrogate_that_neurons_share_is_no_layer() -> None:
    model = nn.Sequential(nn.Linear(INPUTS, WIDTH), Neuron(), nn.Linear(WIDTH, WIDTH), Neuron(), Mean())
    assert shapes(report_of(model)) == {"1": (STEPS, WIDTH), "3": (STEPS, WIDTH)}


class Mean(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean(0)


# -- spikingjelly before its activation_based package


class BaseNode(nn.Module):
    """Stands for the nodes of spikingjelly.clock_driven: a whole sequence, and a potential that stays."""

    def __init__(self) -> None:
        super().__init__()
        self._memories: dict[str, Tensor | float] = {"v": 0.0}
        self.v_threshold, self.v_reset, self.surrogate_function = 0.3, None, SURROGATE

    def forward(self, current: Tensor) -> Tensor:
        shown = []
        for step in current:
            v = 0.9 * self._memories["v"] + step
            shown.append(self.surrogate_function(v))
            self._memories["v"] = v - 0.3 * shown[-1].detach()
        self._memories["v"] = v.detach()
        return torch.stack(shown)


class MultiStepIFNode(BaseNode):
    pass


@pytest.fixture
def clock_driven(monkeypatch: pytest.MonkeyPatch) -> None:
    home = ModuleType("spikingjelly.clock_driven.neuron")
    home.BaseNode = BaseNode  # type: ignore[attr-defined]
    for name, module in (
        ("spikingjelly", ModuleType("spikingjelly")),
        ("spikingjelly.clock_driven", ModuleType("spikingjelly.clock_driven")),
        (home.__name__, home),
    ):
        monkeypatch.setitem(sys.modules, name, module)


def test_nodes_of_clock_driven_are_layers_and_their_state_is_seen(clock_driven: None) -> None:
    report = report_of(nn.Sequential(nn.Linear(INPUTS, WIDTH), MultiStepIFNode(), Mean()))
    assert shapes(report) == {"1": (STEPS, WIDTH)}
    assert report.frameworks == ("spikingjelly.clock_driven",)
    assert "SPK208" in {finding.check for finding in report.findings}
