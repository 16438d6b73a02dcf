"""An evaluation before the training loses no layer and invents none; a layer without surrogate gradient is found."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import spikecheck
from spikecheck.probe.layer import AXIS_UNKNOWN
from spikecheck.report.model import Report
from tests.promises.networks import LIF, Spike

STEPS, BATCH, INPUTS, HIDDEN = 6, 8, 10, 12


class Weighing(nn.Module):
    """A linear module of the user's own: no neuron."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.inner = nn.Linear(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.inner(x)
        return y


class WithoutSurrogate(nn.Module):
    """A layer that holds its weights, compares with the threshold, and drops some spikes: no gradient passes."""

    def __init__(self, inputs: int, outputs: int, dropped: float) -> None:
        super().__init__()
        self.inner, self.dropout = nn.Linear(inputs, outputs), nn.Dropout(dropped)

    def forward(self, x: Tensor) -> Tensor:
        v, shown = torch.zeros(x.shape[1], self.inner.out_features), []
        for current in self.inner(x):
            v = 0.9 * v + current
            spikes = (v > 0.3).float()
            v = v - 0.3 * spikes
            shown.append(spikes)
        y: Tensor = self.dropout(torch.stack(shown))
        return y


def network(threshold: float = 0.3) -> nn.Sequential:
    return nn.Sequential(Weighing(INPUTS, HIDDEN), LIF(threshold=threshold), nn.Flatten(2), nn.Linear(HIDDEN, 3))


def run(model: nn.Module, *, evaluations: int, updates: int = 12) -> tuple[Report, list[Tensor]]:
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    losses = []
    with spikecheck.attach(model, on_finding=lambda _: None) as monitor:
        with torch.no_grad():
            for _ in range(evaluations):
                model((torch.rand(STEPS, BATCH, INPUTS) < 0.4).float())
        for _ in range(updates):
            x, y = (torch.rand(STEPS, BATCH, INPUTS) < 0.4).float(), torch.randint(3, (BATCH,))
            loss = F.cross_entropy(model(x).mean(0), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        return monitor.report(), losses


@pytest.mark.parametrize("evaluations", [0, 1, 3, 5])
def test_a_dead_layer_written_by_hand_is_found_whatever_ran_before_the_training(evaluations: int) -> None:
    torch.manual_seed(0)
    report, _ = run(network(threshold=50.0), evaluations=evaluations)
    assert [row.name for row in report.layers] == ["1"]
    assert report.layers[0].spikes.time_steps == 12 * STEPS
    assert "SPK203" in {finding.check for finding in report.findings}


@pytest.mark.parametrize("evaluations", [1, 4, 16])
def test_an_evaluation_alone_takes_no_other_module_for_a_spiking_layer(evaluations: int) -> None:
    torch.manual_seed(0)
    report, _ = run(network(), evaluations=evaluations, updates=0)
    assert [row.name for row in report.layers] == ["1"]
    assert report.layers[0].spikes.forward_passes == evaluations


def test_modules_of_a_spiking_library_that_do_not_spike_are_no_layers_without_gradients() -> None:
    pytest.importorskip("spikingjelly", reason="pip install --no-deps spikingjelly==2.0.0")
    from spikingjelly.activation_based import functional, layer, neuron

    model = nn.Sequential(
        layer.Conv2d(1, 4, 3), layer.BatchNorm2d(4), neuron.LIFNode(), layer.Flatten(), layer.Linear(144, 3)
    )
    functional.set_step_mode(model, "m")
    with spikecheck.attach(model, on_finding=lambda _: None) as monitor, torch.no_grad():
        for _ in range(5):
            functional.reset_net(model)
            model(3 * torch.rand(STEPS, BATCH, 1, 8, 8))
        report = monitor.report()
    assert [row.name for row in report.layers] == ["2"]


@pytest.mark.parametrize("dropped", [0.0, 0.2])
def test_a_layer_that_holds_its_weights_and_has_no_surrogate_is_found(dropped: float) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(WithoutSurrogate(INPUTS, 12, dropped), WithoutSurrogate(12, 12, dropped), nn.Linear(12, 3))
    report, _ = run(model, evaluations=0)
    assert [row.name for row in report.layers] == ["0", "1"]
    assert {finding.site.name for finding in report.findings if finding.check == "SPK401"} == {"0", "1"}


def test_what_evaluates_first_trains_to_the_same_bit() -> None:
    def trained(watched: bool) -> list[Tensor]:
        torch.manual_seed(0)
        model = network()
        if watched:
            _, losses = run(model, evaluations=3)
            return [*losses, *(parameter.detach() for parameter in model.parameters())]
        with torch.no_grad():
            for _ in range(3):
                model((torch.rand(STEPS, BATCH, INPUTS) < 0.4).float())
        optimizer, losses = torch.optim.Adam(model.parameters(), lr=1e-3), []
        for _ in range(12):
            x, y = (torch.rand(STEPS, BATCH, INPUTS) < 0.4).float(), torch.randint(3, (BATCH,))
            loss = F.cross_entropy(model(x).mean(0), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        return [*losses, *(parameter.detach() for parameter in model.parameters())]

    assert all(torch.equal(a, b) for a, b in zip(trained(True), trained(False), strict=True))


class Whole(nn.Module):
    """Compares all that it gets at once: whether one of its axes is time does not show."""

    def forward(self, current: Tensor) -> Tensor:
        return Spike.apply(current - 0.1)  # type: ignore[no-any-return]


def test_after_a_pass_with_gradients_none_is_asked_for_to_find_the_time_axis() -> None:
    model, x = nn.Sequential(nn.Linear(INPUTS, HIDDEN), Whole()), torch.rand(STEPS, BATCH, INPUTS)
    with spikecheck.attach(model, every=1, spikes="1") as monitor:
        model(x).sum().backward()
        with torch.no_grad():
            model(x)
        assert f"1: {AXIS_UNKNOWN}" in map(str, monitor.report().unseen)
