"""Short scripts as people write them: the root causes of the broken ones, and no warning about the others."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import spikecheck
from spikecheck.finding import Severity
from spikecheck.report.model import Report

snn = pytest.importorskip("snntorch", reason="pip install snntorch")

CLASSES, STEPS, BATCH, INPUTS = 4, 12, 16, 32


def batch(classes: int = CLASSES) -> tuple[Tensor, Tensor]:
    """Return spikes [time, batch, channel] and labels: each class has channels of its own."""
    y = torch.randint(0, classes, (BATCH,))
    rate = 0.05 + 0.4 * (torch.arange(INPUTS) % classes == y[:, None])
    return (torch.rand(STEPS, BATCH, INPUTS) < rate).float(), y


def watch(model: nn.Module, step: Callable[[], object], updates: int) -> Report:
    """Return the report on so many steps."""
    with spikecheck.attach(model, on_finding=lambda finding: None) as monitor:
        for _ in range(updates):
            step()
    return monitor.report()


def roots(report: Report) -> list[str]:
    """Return the checks of the root causes, in order."""
    return [cause.finding.check for cause in report.root_causes]


def alarms(report: Report) -> list[str]:
    """Return the checks that report more than a note."""
    return [finding.check for finding in report.findings if finding.severity > Severity.NOTE]


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)


class LongShortTerm(nn.Module):
    """A spiking LSTM, called step by step."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.lstm = snn.SLSTM(INPUTS, hidden, threshold=0.05)
        self.readout = nn.Linear(hidden, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        syn, mem = self.lstm.init_slstm()
        logits = []
        for step in x:
            spikes, syn, mem = self.lstm(step, syn, mem)
            logits.append(self.readout(spikes))
        return torch.stack(logits).mean(0)


@pytest.mark.parametrize("hidden", [INPUTS, INPUTS // 2], ids=["equal sizes", "unequal sizes"])
def test_a_library_that_drops_the_state_is_the_cause(hidden: int) -> None:
    model = LongShortTerm(hidden)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def step() -> None:
        x, y = batch()
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()

    report = watch(model, step, 14)
    if hidden == INPUTS:
        assert "SPK209" not in roots(report), report
    else:
        assert roots(report) == ["SPK209"], report
        finding = report.root_causes[0].finding
        assert "snntorch drops the state" in finding.message
        scope = {"torch": torch, "model": model, "x_t": batch()[0][0], "syn": None, "mem": None}
        exec(finding.fix, scope)  # the fix of a library's fault has to run as it is
        assert model.lstm.input_size == model.lstm.hidden_size == hidden


def test_weights_that_are_nan_are_not_put_back() -> None:
    model = nn.Linear(INPUTS, CLASSES)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step() -> None:
        x, y = batch()
        optimizer.zero_grad()
        (F.cross_entropy(model(x[0]), y) * float("nan")).backward()
        optimizer.step()

    report = watch(model, step, 12)
    assert roots(report) == ["SPK405"], report
    assert "SPK415" not in alarms(report)


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "log(0)": lambda rate, y: F.nll_loss((rate * 0).log(), y),
    "0 / 0": lambda rate, y: F.cross_entropy(rate * 0 / (rate * 0).sum(1, keepdim=True), y),
    "an overflow of exp()": lambda rate, y: (rate.abs() * 1e5).exp().sum(1).log().mean(),
    "sqrt(0), whose derivative is infinite": lambda rate, y: (
        (rate * 0).sum(1).sqrt() + F.cross_entropy(rate, y)
    ).mean(),
    "a division by 0 in a branch of torch.where": lambda rate, y: F.cross_entropy(
        torch.where(rate > 1e9, 1 / (rate - rate), rate), y
    ),
}


@pytest.mark.parametrize("origin", LOSSES)
def test_the_operation_that_made_nan_is_named(origin: str) -> None:
    model = nn.Linear(INPUTS, CLASSES)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step() -> None:
        x, y = batch()
        optimizer.zero_grad()
        LOSSES[origin](model(x[0]), y).backward()
        optimizer.step()

    report = watch(model, step, 5)
    assert roots(report) == ["SPK405"], report
    assert report.root_causes[0].finding.message.endswith(f": {origin}"), report


class Rates(nn.Module):
    """Two layers, whose readout is divided by some number; the model returns logits and hidden spikes."""

    def __init__(self, divisor: float = 1.0) -> None:
        super().__init__()
        self.fc1, self.lif1, self.fc2 = (
            nn.Linear(INPUTS, 32),
            snn.Leaky(beta=0.9, threshold=0.3),
            nn.Linear(32, CLASSES),
        )
        self.divisor = divisor

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mem, spikes = self.lif1.init_leaky(), []
        for step in x:
            out, mem = self.lif1(self.fc1(step), mem)
            spikes.append(out)
        hidden = torch.stack(spikes)
        return self.fc2(hidden).mean(0) / self.divisor, hidden


def train_rates(divisor: float = 1.0, penalty: float = 0.0, updates: int = 70) -> Report:
    model = Rates(divisor)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)

    def step() -> None:
        x, y = batch()
        logits, hidden = model(x)
        optimizer.zero_grad()
        loss = F.cross_entropy(logits, y)
        loss += penalty * hidden.sum()  # in place: the loss of the task is no longer there when backward begins
        loss.backward()
        optimizer.step()

    return watch(model, step, updates)


def test_logits_far_too_small_for_cross_entropy_are_the_cause() -> None:
    assert roots(train_rates(divisor=1000.0)) == ["SPK320"]


def test_a_penalty_far_larger_than_the_loss_is_the_cause() -> None:
    assert roots(train_rates(penalty=1.0))[:1] == ["SPK321"]


def test_a_small_penalty_and_ordinary_logits_raise_no_alarm() -> None:
    report = train_rates(penalty=1e-4)
    assert not alarms(report), report


class SelfStateful(nn.Module):
    """A layer that keeps its state, which the script has to reset."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.lif1 = nn.Linear(INPUTS, 32), snn.Leaky(beta=0.9, threshold=0.3, init_hidden=True)
        self.fc2 = nn.Linear(32, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([self.fc2(self.lif1(self.fc1(step))) for step in x]).mean(0)


@pytest.mark.parametrize("resets", [True, False])
def test_a_reset_that_evaluation_forgets_is_the_cause(resets: bool) -> None:
    model = SelfStateful()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)

    def epoch() -> None:
        for _ in range(6):
            x, y = batch()
            model.lif1.reset_hidden()
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
        with torch.no_grad():
            for _ in range(4):
                if resets:
                    model.lif1.reset_hidden()
                model(batch()[0])

    report = watch(model, epoch, 3)
    assert roots(report) == ([] if resets else ["SPK208"]), report


@pytest.mark.parametrize("changes", [True, False])
def test_the_labels_of_a_margin_loss_show_that_the_input_never_changes(changes: bool) -> None:
    model, criterion = SelfStateful(), nn.MultiMarginLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    first, _ = batch()

    def step() -> None:
        x, y = batch()
        model.lif1.reset_hidden()
        optimizer.zero_grad()
        criterion(model(x if changes else first), y).backward()
        optimizer.step()

    report = watch(model, step, 70)
    assert roots(report) == ([] if changes else ["SPK109"]), report


def test_time_steps_one_by_one_after_a_training_with_sequences_are_one_sequence() -> None:
    pytest.importorskip("spikingjelly.activation_based", reason="pip install --no-deps spikingjelly")
    from spikingjelly.activation_based import functional, layer, neuron

    model = nn.Sequential(layer.Linear(INPUTS, 32), neuron.LIFNode(v_threshold=0.2), layer.Linear(32, CLASSES))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def epoch() -> None:
        functional.set_step_mode(model, "m")
        for _ in range(6):
            x, y = batch()
            functional.reset_net(model)
            optimizer.zero_grad()
            F.cross_entropy(model(x).mean(0), y).backward()
            optimizer.step()
        functional.set_step_mode(model, "s")
        functional.reset_net(model)
        with torch.no_grad():
            for step in batch()[0]:
                model(step)
        functional.reset_net(model)

    report = watch(model, epoch, 3)
    assert "SPK208" not in alarms(report), report


@pytest.mark.parametrize("trained", [True, False])
def test_frozen_statistics_of_a_trained_network_are_a_note(trained: bool) -> None:
    model = nn.Sequential(nn.Linear(INPUTS, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, CLASSES))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def step() -> None:
        x, y = batch()
        optimizer.zero_grad()
        F.cross_entropy(model(x.mean(0)), y).backward()
        optimizer.step()

    for _ in range(3 if trained else 0):
        step()
    model.eval()
    assert alarms(watch(model, step, 6)) == ([] if trained else ["SPK214"])
