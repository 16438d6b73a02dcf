"""A report says in the present tense what holds at its end, and in the past tense what held."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import spikecheck
from spikecheck.finding import FindingState, UnseenKind
from spikecheck.monitor import Monitor
from spikecheck.report.model import Report
from spikecheck.report.state import ReportState
from tests.promises.networks import LIF, Run, Spike, by_hand

STEPS, BATCH, CHANNELS, CLASSES = 12, 32, 20, 4
WAKES, STAYS_SILENT = 6.0, 1e6  # thresholds of the output neurons


class OneStep(nn.Module):
    """Neurons that are called once per time step and keep their potential until they are reset."""

    def __init__(self, threshold: float) -> None:
        super().__init__()
        self.threshold, self.potential = threshold, torch.zeros(())

    def reset(self) -> None:
        self.potential = torch.zeros(())

    def forward(self, current: Tensor) -> Tensor:
        self.potential = 0.9 * self.potential + current
        spikes: Tensor = Spike.apply(self.potential - self.threshold)
        self.potential = self.potential - self.threshold * spikes.detach()
        return spikes


def sequence(threshold: float) -> nn.Sequential:
    """A network that takes a whole sequence; its output neurons are silent at first."""
    net = nn.Sequential(nn.Linear(CHANNELS, 32), LIF(), nn.Linear(32, CLASSES), LIF(threshold=threshold))
    return small(net)


def step_by_step(threshold: float) -> nn.Sequential:
    """The same, for a script that loops over time itself."""
    return small(nn.Sequential(nn.Linear(CHANNELS, 32), OneStep(0.3), nn.Linear(32, CLASSES), OneStep(threshold)))


def small(net: nn.Sequential) -> nn.Sequential:
    with torch.no_grad():
        net.get_parameter("2.weight").mul_(0.25)
        net.get_parameter("2.bias").zero_()
    return net


def batches(number: int) -> Iterator[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    for _ in range(number):
        y = torch.randint(CLASSES, (BATCH,), generator=generator)
        busy = torch.arange(CHANNELS) // (CHANNELS // CLASSES) == y[:, None]
        yield (torch.rand(STEPS, BATCH, CHANNELS, generator=generator) < torch.where(busy, 0.5, 0.05)).float(), y


def rates(net: nn.Sequential, x: Tensor) -> Tensor:
    """The output rates, by a loop over time in the script or in the layers."""
    if isinstance(net[1], LIF):
        return torch.as_tensor(net(x)).mean(0)
    for layer in net:
        if isinstance(layer, OneStep):
            layer.reset()
    return torch.stack([net(step) for step in x]).mean(0)


def train(net: nn.Sequential, updates: int = 100, *, evaluate: bool = False) -> tuple[Monitor, float, list[str]]:
    """The monitor of a training, its last accuracy, and the warnings."""
    monitor, accuracy = spikecheck.attach(net, every=1), 0.0
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for number, (x, y) in enumerate(batches(updates)):
            output = rates(net, x)
            loss = F.cross_entropy(5 * output, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            accuracy = (output.argmax(1) == y).float().mean().item()
            if evaluate and number % 10 == 0:
                net.eval()
                with torch.no_grad():
                    rates(net, x)
                net.train()
    return monitor, accuracy, [str(one.message).splitlines()[0] for one in caught]


def silent(report: Report) -> list[str]:
    return [finding.site.name for finding in report.findings if finding.check in ("SPK203", "SPK205")]


@pytest.mark.parametrize(("build", "evaluate"), [(sequence, False), (step_by_step, True)])
def test_a_layer_that_woke_up_is_no_problem_of_the_run(build, evaluate: bool) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    monitor, accuracy, messages = train(build(WAKES), evaluate=evaluate)
    report = monitor.report()
    assert accuracy > 0.9
    assert not messages
    assert report.ok, str(report)
    assert not silent(report)
    past = next(finding for finding in report.history if finding.check == "SPK203")
    assert past.message == f"{past.site} was silent"
    assert past.dates.startswith("until update")
    assert past.state is FindingState.OVER


def test_a_layer_that_stays_silent_is() -> None:
    torch.manual_seed(0)
    report = train(sequence(STAYS_SILENT), 30)[0].report()
    assert not report.ok
    assert silent(report)
    assert not any(finding.check == "SPK203" for finding in report.history)


def test_the_history_is_in_the_evidence() -> None:
    torch.manual_seed(0)
    monitor, *_ = train(sequence(WAKES), 70)
    from spikecheck.checks.judge import Judge
    from spikecheck.evidence.evidence import Evidence
    from spikecheck.settings import Settings

    again = Evidence.from_state_dict(monitor.state_dict()).report(Judge.of(Settings()))
    assert [(f.check, f.dates) for f in again.history] == [(f.check, f.dates) for f in monitor.report().history]


def test_nan_in_the_weights_ends_nothing() -> None:
    torch.manual_seed(0)
    run = Run(by_hand())
    with torch.no_grad():
        run.model.get_parameter("fc1.weight").mul_(300)
    monitor = spikecheck.attach(run.model, on_finding=lambda _: None)
    run.train(4)
    before = {finding.check for finding in monitor.report().at_least(spikecheck.Severity.WARNING)}
    with torch.no_grad():
        run.model.get_parameter("fc1.weight").fill_(float("nan"))
    run.train(60)
    report = monitor.report()
    monitor.detach()
    assert before
    assert before <= {finding.check for finding in report.findings}
    assert "SPK405" in {finding.check for finding in report.findings}


def test_a_threshold_that_falls_in_training_is_dated_when_it_fell() -> None:
    torch.manual_seed(0)
    run = Run(by_hand())
    monitor = spikecheck.attach(run.model, on_finding=lambda _: None, every=1)
    run.train(30)
    run.model.get_submodule("lif").threshold = 0.001
    run.train(60)
    report = monitor.report()
    monitor.detach()
    strong = next(finding for finding in report.findings if finding.check == "SPK206")
    assert strong.when.update >= 30, str(report)


def test_a_run_that_only_evaluates_is_not_called_healthy() -> None:
    model = by_hand()
    monitor = spikecheck.attach(model)
    with torch.no_grad():
        for _ in range(5):
            model((torch.rand(6, 4, 10) < 0.3).float())
    report = monitor.report()
    monitor.detach()
    assert (report.state, report.ok) == (ReportState.TOO_LITTLE, False)
    assert not report.at_least(spikecheck.Severity.WARNING)
    assert report.missing == tuple(k.value for k in (UnseenKind.LOSS, UnseenKind.BACKWARD_PASS, UnseenKind.UPDATE))
    assert "healthy" not in str(report)
    assert "not enough was observed to judge: no loss, no backward pass, no optimizer update" in str(report)


@pytest.mark.parametrize("learns", [False, True])
def test_a_run_in_which_nothing_is_learned_is_not_called_healthy(learns: bool) -> None:
    """The labels decide how dense the input is, or are drawn apart from it."""
    torch.manual_seed(0)
    model = by_hand()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    monitor = spikecheck.attach(model)
    for _ in range(64):
        y = torch.randint(0, 2, (16,))
        x = (torch.rand(6, 16, 10) < (0.1 + 0.6 * y[:, None] if learns else torch.tensor(0.4))).float()
        loss = torch.nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    report = monitor.report()
    monitor.detach()
    assert (report.missing == ()) is learns, str(report)
