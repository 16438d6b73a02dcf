"""Neurons that no library's file knows: found, named, read along the right axis, and the training bit-identical."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import spikecheck
from spikecheck.finding import Severity, UnseenKind
from spikecheck.monitor import Monitor
from spikecheck.readings import InputReading
from tests.conformance.functional_styles import CLASSES, HIDDEN, INPUTS, STEPS, TRUE_SPIKES
from tests.conformance.module_styles import STYLES, Style, sequence

UPDATES = 12


def train(style: Style, **arguments: Any) -> tuple[Monitor | None, dict[str, float], list[Tensor]]:
    """Train a style, watched where arguments are given."""
    torch.manual_seed(0)
    model = style.build()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    watching = arguments.pop("watched", False)
    monitor = spikecheck.attach(model, every=1, on_finding=lambda _: None, **arguments) if watching else None
    counts: dict[str, float] = {}
    for _ in range(UPDATES):
        x = sequence()
        TRUE_SPIKES.clear()
        loss = F.cross_entropy(style.call(model, x), torch.randint(CLASSES, (len(x),)))
        for name, steps in TRUE_SPIKES.items():
            counts[name] = counts.get(name, 0.0) + sum(float(step.sum()) for step in steps[:STEPS])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    TRUE_SPIKES.clear()
    return monitor, counts, [p.detach() for p in model.parameters()]


@pytest.mark.parametrize("name", STYLES)
def test_layers_are_seen_as_they_are(name: str) -> None:
    style = STYLES[name]
    _, _, bare = train(style)
    monitor, true, weights = train(style, watched=True, **copy.deepcopy(style.arguments))
    assert monitor is not None
    with monitor:
        report = monitor.report()
        fed_by = {site.name: site.fed_by for site in monitor.evidence().observations.sites if site.fed_by}
    assert all(torch.equal(a, b) for a, b in zip(weights, bare, strict=True))
    rows = {row.name: row for row in report.layers}
    assert list(rows) == list(style.layers.values())
    for layer, called in style.layers.items():
        row = rows[called]
        assert row.spikes.count == pytest.approx(true[layer], rel=1e-5)
        assert true[layer] > 0, "the style is silent, and shows nothing"
        steps = row.timeline.time_steps if row.timeline is not None else None
        assert steps is not None
        assert (steps.fewest, steps.most, steps.axis, steps.known) == (STEPS, STEPS, style.axis, True)
        assert row.spikes.neurons == 10
    if style.weight:
        assert fed_by == {layer: f"{layer}.{style.weight}" for layer in style.layers.values()}
    causes = {cause.finding.check for cause in report.root_causes if cause.finding.severity > Severity.NOTE}
    assert causes == set(style.checks)


@pytest.mark.parametrize("name", [name for name, style in STYLES.items() if style.doubtful])
def test_where_nothing_tells_the_axis_the_report_says_so_and_counts_no_neurons(name: str) -> None:
    style = STYLES[name]
    monitor, _, _ = train(style, watched=True)
    assert monitor is not None
    with monitor:
        report = monitor.report()
    assert [row.name for row in report.layers] == list(style.layers.values())
    assert not any(row.neurons_known for row in report.layers)
    assert {entry["neurons"] for entry in report.to_dict()["layers"]} == {None}
    assert all("pass time= to attach()" in str(one) for one in report.incomplete)
    assert len(report.incomplete) == len(report.layers)


class Reservoir(nn.Module):
    """Layers that are updated in place by a method of the network, without gradients; nobody calls a module."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.v = torch.randn(INPUTS, HIDDEN), torch.zeros(HIDDEN)

    def run(self, inputs: Tensor) -> Tensor:
        shown = []
        for step in inputs:
            self.v.mul_(0.9).add_(step @ self.weight)
            spikes = self.v >= 1.0
            self.v.masked_fill_(spikes, 0.0)
            shown.append(spikecheck.tap("hidden", spikes.float()))
        return torch.stack(shown)


@pytest.mark.parametrize("tapped", [False, True])
def test_a_network_that_is_run_past_its_modules_is_said_to_be_unseen_until_it_is_tapped(
    tapped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    if not tapped:
        monkeypatch.setattr(spikecheck, "tap", lambda name, spikes: spikes)
    network = Reservoir()
    with spikecheck.attach(network, on_finding=lambda _: None) as monitor:
        spikes = [network.run((torch.rand(STEPS, INPUTS) < 0.4).float()) for _ in range(3)]
        report = monitor.report()
    if tapped:
        assert [(row.name, row.spikes.count) for row in report.layers] == [("hidden", float(torch.stack(spikes).sum()))]
    else:
        assert not report.layers
        assert not report.ok
        assert "the model was not called after attach()" in str(report.unseen[0])


ACTS, LEARNED = 32, 8  # an agent acts in so many steps, one sample each; then it learns from so many samples


def test_a_loop_that_acts_and_then_learns_has_both_measured() -> None:
    def loop(*, watched: bool) -> tuple[Monitor | None, list[Tensor]]:
        torch.manual_seed(0)
        style = STYLES["time, batch, feature"]
        agent = style.build()
        optimizer = torch.optim.Adam(agent.parameters(), lr=1e-3)
        monitor = spikecheck.attach(agent, on_finding=lambda _: None) if watched else None
        for sample in () if monitor is None else monitor._schedule.samples.values():
            sample.passes, sample.stride = 1000, 8  # as in the middle of a long run
        for _ in range(16):
            for _ in range(ACTS):
                with torch.no_grad():
                    agent((torch.rand(STEPS, 1, INPUTS) < 0.4).float())
            x = (torch.rand(STEPS, LEARNED, INPUTS) < 0.4).float()
            optimizer.zero_grad()
            F.cross_entropy(agent(x), torch.randint(CLASSES, (LEARNED,))).backward()
            optimizer.step()
        TRUE_SPIKES.clear()
        return monitor, [p.detach() for p in agent.parameters()]

    monitor, weights = loop(watched=True)
    _, bare = loop(watched=False)
    assert monitor is not None
    with monitor:
        report = monitor.report()
    assert all(torch.equal(a, b) for a, b in zip(weights, bare, strict=True))
    assert (report.updates, report.forward_passes) == (16, 16 * (ACTS + 1))
    for row in report.layers:
        assert row.timeline is not None
        assert [point.passes for point in row.timeline.points] == [1] * 16, "those that learn, and no other"
        assert row.spikes.forward_passes == 2, "every 8th of the passes that learn, whatever lies between"
        assert row.spikes.samples == 2 * LEARNED


def test_a_network_of_rockpool_that_is_called_past_the_hooks_shows_its_input_from_the_second_pass_on() -> None:
    modules = pytest.importorskip("rockpool.nn.modules", reason="pip install rockpool")
    combinators = pytest.importorskip("rockpool.nn.combinators")
    torch.manual_seed(0)
    parts = modules.LinearTorch((INPUTS, HIDDEN)), modules.LIFTorch(HIDDEN, dt=1e-3)
    network = combinators.Sequential(*parts)
    optimizer = torch.optim.Adam([parameter for _, parameter in network.named_parameters()])
    with spikecheck.attach(network, on_finding=lambda _: None) as monitor:
        for _ in range(4):
            parts[1].reset_state()
            spikes, _, _ = network((torch.rand(5, STEPS, INPUTS) < 0.4).float())
            optimizer.zero_grad()
            F.cross_entropy(spikes.mean(1), torch.randint(CLASSES, (5,))).backward()
            optimizer.step()
        report = monitor.report()
        readings = monitor.evidence().observations.windows["all"]
        (reading,) = [here[InputReading] for here in readings.values() if InputReading in here]
    assert [row.spikes.forward_passes for row in report.layers] == [4]
    assert (reading.forward_passes, reading.shape) == (3, (5, STEPS, INPUTS))
    assert not [one for one in report.unseen if one.kind is UnseenKind.SITE]
