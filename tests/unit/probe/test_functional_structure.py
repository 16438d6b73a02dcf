"""Code without modules: what feeds its layers, which of its steps belong together, and how a fix names a tensor."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import spikecheck
from spikecheck.readings import FlowReading
from spikecheck.site import SiteKind
from tests.unit.probe.test_functional import BATCH, INPUTS, NEURONS, STEPS, batch, spike_fn, watch


def test_a_module_that_returns_the_mean_of_silent_spikes_weighed_is_no_layer() -> None:
    class Encoder(nn.Module):
        """Its output is one value per class, whatever the input, as long as its neurons are silent."""

        def __init__(self) -> None:
            super().__init__()
            self.fc, self.mean = nn.Linear(INPUTS, NEURONS), nn.Linear(NEURONS, 4)

        def forward(self, x: Tensor) -> Tensor:
            potential, shown = x.new_zeros(len(x), NEURONS), []
            for t in range(x.shape[1]):
                potential = 0.9 * potential + self.fc(x[:, t])
                shown.append(spike_fn(potential - 100))
            return self.mean(torch.stack(shown).mean(0))  # type: ignore[no-any-return]

    monitor, report = watch(nn.Sequential(OrderedDict(encoder=Encoder())), updates=12)
    assert [(row.spikes.neurons, row.spikes.count) for row in report.layers] == [(NEURONS, 0)]
    assert {finding.check for finding in report.findings}.isdisjoint({"SPK202", "SPK204"})
    (fed_by,) = {site.fed_by for site in monitor.evidence().observations.sites if site.kind is SiteKind.SPIKES}
    assert fed_by == "encoder.fc"


class Stepped(nn.Module):
    """One time step of two layers of functions; the script runs the loop, and passes the state."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2, self.out = nn.Linear(INPUTS, NEURONS), nn.Linear(NEURONS, NEURONS), nn.Linear(NEURONS, 4)

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        first, second = state
        first = 0.9 * first + 3 * self.fc1(x)
        spikes = spike_fn(first - 0.3)
        second = 0.9 * second + 3 * self.fc2(spikes)
        return self.out(spike_fn(second - 0.3)), (first, second)


@pytest.mark.parametrize("evaluated", [False, True])
def test_a_loop_of_the_script_over_functions_is_one_forward_pass(evaluated: bool) -> None:
    def run(model: nn.Module) -> Tensor:
        state = (torch.zeros(BATCH, NEURONS), torch.zeros(BATCH, NEURONS))
        total = torch.zeros(BATCH, 4)
        for step in batch().unbind(1):
            out, state = model(step, state)
            total = total + out
        return total

    torch.manual_seed(0)
    model = Stepped()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    with spikecheck.attach(model, every=1, on_finding=lambda _: None) as monitor:
        for _ in range(4):
            loss = F.cross_entropy(run(model), torch.randint(4, (BATCH,)))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if evaluated:
                with torch.no_grad():
                    run(model)
        report = monitor.report()
        fed_by = {site.name: site.fed_by for site in monitor.evidence().observations.sites if site.fed_by}
    assert [(row.spikes.time_steps, row.spikes.forward_passes) for row in report.layers] == [(4 * STEPS, 4)] * 2
    assert [fed_by[row.name] for row in report.layers] == ["fc1", "fc2"]


def test_a_weight_that_belongs_to_no_module_is_fixed_by_its_own_name() -> None:
    torch.manual_seed(0)
    weights = {"input": torch.zeros(INPUTS, NEURONS, requires_grad=True)}
    readout = torch.randn(NEURONS, 4, requires_grad=True)
    optimizer = torch.optim.SGD([*weights.values(), readout], lr=1e-3)
    with spikecheck.attach(optimizer, every=1, on_finding=lambda _: None) as monitor:
        for _ in range(12):
            potential, total = torch.zeros(BATCH, NEURONS), torch.zeros(BATCH, 4)
            for current in (batch() @ weights["input"]).unbind(1):
                potential = 0.9 * potential + current
                total = total + spike_fn(potential - 0.3) @ readout
            loss = F.cross_entropy(total, torch.randint(4, (BATCH,)))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        (cause,) = monitor.report().root_causes
    assert (cause.finding.check, cause.finding.site.name) == ("SPK406", "weights['input']")
    exec(cause.finding.fix, {"weights": weights, "torch": torch})
    assert weights["input"].std() > 0.1


class Recurrent(nn.Module):
    """Neurons without a module, driven by the input and by their own spikes."""

    def __init__(self, std: float) -> None:
        super().__init__()
        self.w, self.v = nn.Parameter(torch.rand(20, 32)), nn.Parameter(std * torch.randn(32, 32))
        self.readout = nn.Parameter(0.1 * torch.randn(32, 4))

    def forward(self, x: Tensor) -> Tensor:
        potential = spikes = x.new_zeros(x.shape[1], 32)
        shown = []
        for frame in x:
            potential = (0.9 * potential + 0.1 * frame @ self.w + spikes @ self.v) * (1 - spikes.detach())
            spikes = spike_fn(potential - 1.0)
            shown.append(spikes)
        return torch.stack(shown).mean(0) @ self.readout


@pytest.mark.parametrize("std", [0.02, 2.0])
def test_recurrent_weights_of_code_without_modules_are_named(std: float) -> None:
    torch.manual_seed(0)
    model = Recurrent(std)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    with spikecheck.attach(model, on_finding=lambda finding: None) as monitor:
        for _ in range(4):
            optimizer.zero_grad()
            F.cross_entropy(model(torch.rand(20, 16, 20)), torch.arange(16) % 4).backward()
            optimizer.step()
    [flow] = [
        read[FlowReading] for read in monitor.evidence().observations.windows["all"].values() if FlowReading in read
    ]
    assert flow.recurrent_weight == "v"
    named = [finding.site.name for finding in monitor.report().findings if finding.check == "SPK406"]
    assert named == (["v"] if std > 1 else [])
