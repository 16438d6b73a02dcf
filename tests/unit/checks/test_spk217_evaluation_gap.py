"""SPK217 evaluation-gap: a table of numbers, and a network whose running statistics are never updated."""

from __future__ import annotations

from dataclasses import asdict

import pytest
import torch
from torch import nn

import spikecheck
from spikecheck.checks.spk217_evaluation_gap import EvaluationGap
from spikecheck.evaluation_readings import InitialStatisticsReading
from spikecheck.readings import EvaluationInputReading, NonFinite
from spikecheck.timelines import EvaluationSpikeTimelineReading, SpikeTimelineReading, TimelinePoint
from tests.unit.checks.build import FINITE, findings, inputs, mode, observe, run, severity_of, spikes

NOTHING = NonFinite(0, 1)


def course(*rates: float) -> SpikeTimelineReading:
    points = tuple(TimelinePoint(2 * n, 2 * n + 1, 2, mean) for n, mean in enumerate(rates))
    return SpikeTimelineReading(points, NOTHING)


def evaluated(rate: float, update: int = 20) -> EvaluationSpikeTimelineReading:
    return EvaluationSpikeTimelineReading((TimelinePoint(update, update, 4, rate),), NOTHING)


def other_input(**changed) -> EvaluationInputReading:
    """The input of the evaluation: as that of the training, but for what is changed."""
    return EvaluationInputReading(**{**asdict(inputs()), "non_finite": FINITE, **changed})


@pytest.mark.parametrize(
    ("training", "evaluation", "other", "expected"),
    [
        pytest.param((0.2, 0.2), 0.2, {}, [], id="alike"),
        pytest.param((0.2, 0.2), 0.3201, {}, ["lif1 fires 1.6x as often"], id="at the limit"),
        pytest.param((0.2, 0.2), 0.319, {}, [], id="below it"),
        pytest.param((0.2, 0.2), 0.125, {}, ["lif1 fires 0.62x as often"], id="less often"),
        pytest.param((0.2, 0.2), 0.0, {}, ["lif1 fires 0x as often"], id="silent in evaluation"),
        pytest.param((0.002, 0.002), 0.0099, {}, [], id="few spikes in both"),
        pytest.param((0.1, 0.2), 0.5, {}, [], id="rates still change in training"),
        pytest.param((0.2,), 0.5, {}, [], id="one interval of training"),
        pytest.param((0.2, 0.2), 0.5, {"samples": 31, "forward_passes": 1}, [], id="few samples"),
        pytest.param((0.2, 0.2), 0.0, {"count": 0.0, "active": 0}, [], id="zeros, to count operations"),
        pytest.param(
            (0.2, 0.2), 0.5, {"count": 19_200 * 1.3}, ["lif1 fires 2.5x as often"], id="nearly the same input"
        ),
        pytest.param((0.2, 0.2), 0.5, {"count": 19_200 * 1.4}, [], id="another input"),
        pytest.param((0.2, 0.2), 0.5, {"negative": 9_600}, ["lif1 fires 2.5x as often"], id="of both signs"),
    ],
)
def test_judge(training, evaluation, other, expected) -> None:
    places = {"input": [inputs(), other_input(**other)], "lif1": [course(*training), evaluated(evaluation)]}
    made = findings(EvaluationGap(), observe(places), "lif1")
    assert [one.message.partition(" in evaluation")[0] for one in made] == expected


@pytest.mark.parametrize(
    ("evaluation", "severity"), [(0.49, "note"), (0.51, "warning"), (0.112, "note"), (0.07, "warning")]
)
def test_noise_in_training_alone_is_a_note(evaluation, severity) -> None:
    places = {"input": [inputs(), other_input()], "lif1": [course(0.2, 0.2), evaluated(evaluation)]}
    assert severity_of(EvaluationGap(), observe(places), "lif1") == severity


@pytest.mark.parametrize(
    ("changed", "severity"),
    [
        pytest.param({"momentum": 0.01, "updates": 68}, "warning", id="half of them are still those of a new module"),
        pytest.param({"momentum": 0.01, "updates": 70}, "note", id="less than half"),
        pytest.param({"momentum": 0.01, "updates": 10, "calls_per_forward_pass": 7}, "note", id="several calls a pass"),
        pytest.param({"momentum": 0.01, "updates": 10, "trained_before": True}, "note", id="fine-tuning"),
        pytest.param({"momentum": None, "updates": 10}, "note", id="no running statistics"),
    ],
)
def test_running_statistics_that_have_hardly_moved_are_named(changed, severity) -> None:
    layer, norm = [course(0.2, 0.2), evaluated(0.12)], mode(**{"calls_per_forward_pass": 1, **changed})
    observations = observe({"input": [inputs(), other_input()], "norm": [norm], "lif1": layer})
    (finding,) = findings(EvaluationGap(), observations, "lif1")
    assert finding.severity.label == severity
    assert ("the running statistics of norm" in finding.observed.text) is (severity == "warning")
    assert ("model.norm.momentum = 0.1" in finding.fix) is (severity == "warning")


@pytest.mark.parametrize(("position", "severity"), [(0, "warning"), (99, "note")])
def test_statistics_of_a_normalization_of_ones_own_are_named_where_it_is_before_the_layer(position, severity) -> None:
    layer, norm = [course(0.2, 0.2), evaluated(0.12)], InitialStatisticsReading("mu", "var", position)
    observations = observe({"input": [inputs(), other_input()], "blocks.0.norm": [norm], "lif1": layer})
    (finding,) = findings(EvaluationGap(), observations, "lif1")
    assert finding.severity.label == severity
    assert ("100% of the running statistics of blocks.0.norm" in finding.observed.text) is (severity == "warning")
    assert ("model.blocks[0].norm.mu, model.blocks[0].norm.var" in finding.fix) is (severity == "warning")


@pytest.mark.parametrize(("count", "alike"), [(-1_000.0, True), (-4_000.0, False)])
def test_the_mean_of_standardized_input_may_differ_by_a_part_of_its_range(count: float, alike: bool) -> None:
    signed = {"negative": 9_000, "minimum": -1.0, "active": 81_920, "sampled_elements": 81_920}
    places = {"input": [inputs(**signed, count=100.0), other_input(**signed, count=count)]}
    layer = [course(0.2, 0.2), evaluated(0.9)]
    assert bool(findings(EvaluationGap(), observe({**places, "lif1": layer}), "lif1")) is alike


@pytest.mark.parametrize(("elements", "enough"), [(64_000, True), (60_000, False)])
def test_samples_of_evaluation_are_counted_by_their_size(elements: int, enough: bool) -> None:
    unknown = other_input(samples=2, forward_passes=2, elements=elements)
    layer = [course(0.2, 0.2), evaluated(0.9), spikes()]  # 320 samples of 2,000 values
    made = findings(EvaluationGap(), observe({"input": [inputs(), unknown], "lif1": layer}), "lif1")
    assert bool(made) is enough


def test_a_fix_names_a_class_of_normalizations_once() -> None:
    layer, norm = [course(0.2, 0.2), evaluated(0.12)], [InitialStatisticsReading("mu", "var", 0)]
    places = {"input": [inputs(), other_input()], "norm1": norm, "norm2": norm, "lif1": layer}
    (finding,) = findings(EvaluationGap(), observe(places), "lif1")
    assert finding.fix.count("batch_norm(") == 1


def test_only_the_first_layer_is_named() -> None:
    layer = [course(0.2, 0.2), evaluated(0.9)]
    observations = observe({"input": [inputs(), other_input()], "lif1": layer, "lif2": layer})
    assert len(findings(EvaluationGap(), observations, "lif1")) == 1
    assert findings(EvaluationGap(), observations, "lif2") == []


def test_the_training_before_an_evaluation_counts() -> None:
    layer = [course(0.2, 0.2, 0.9, 0.9), evaluated(0.2, update=3)]
    assert findings(EvaluationGap(), observe({"input": [inputs(), other_input()], "lif1": layer}), "lif1") == []


def test_without_training_there_is_nothing_to_compare() -> None:
    layer = [course(0.2, 0.2), evaluated(0.9)]
    observations = observe({"input": [inputs(), other_input()], "lif1": layer}, run=run(backward_passes=0))
    assert findings(EvaluationGap(), observations, "lif1") == []


class Spike(torch.autograd.Function):
    @staticmethod
    def forward(ctx, distance):
        ctx.save_for_backward(distance)
        return (distance > 0).float()

    @staticmethod
    def backward(ctx, gradient):
        return gradient / (1 + 5 * ctx.saved_tensors[0].abs()) ** 2


class Neuron(nn.Module):
    def forward(self, current):
        potential, spikes = torch.zeros_like(current[:, 0]), []
        for now in current.unbind(1):
            potential = 0.9 * potential + now
            spikes.append(Spike.apply(potential - 1))
            potential = potential - spikes[-1]
        return torch.stack(spikes, 1)


class OwnNorm(nn.Module):
    def __init__(self, size: int, momentum: float) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("mu", torch.zeros(size))
        self.register_buffer("var", torch.ones(size))

    def forward(self, x):
        return nn.functional.batch_norm(x, self.mu, self.var, training=self.training, momentum=self.momentum)


class WithOwnNorm(nn.Module):
    def __init__(self, momentum: float) -> None:
        super().__init__()
        self.fc, self.lif, self.out, self.norm = nn.Linear(20, 32), Neuron(), nn.Linear(32, 4), OwnNorm(32, momentum)

    def forward(self, x):
        return self.out(self.lif(self.norm((1 + 4 * self.fc(x)).movedim(1, 2)).movedim(1, 2))).mean(1)


class Net(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.fc, self.lif, self.out, self.broken = nn.Linear(20, 32), Neuron(), nn.Linear(32, 4), broken
        self.norm = nn.BatchNorm1d(32, momentum=0.5)

    def forward(self, x):
        current = 5 + self.fc(x)
        if self.training and self.broken:
            current = (current - current.mean((0, 1))) / current.std((0, 1))
        else:
            current = self.norm(current.movedim(1, 2)).movedim(1, 2)
        return self.out(self.lif(current)).mean(1)


def checks_of(model: nn.Module) -> list[tuple[str, str]]:
    """Train, evaluate, and return what was found."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with spikecheck.attach(model) as monitor:
        for _ in range(30):
            x, y = (torch.rand(32, 10, 20) < 0.2).float(), torch.randint(4, (32,))
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            model((torch.rand(64, 10, 20) < 0.2).float())
    return [(finding.check, finding.severity.label) for finding in monitor.report().findings]


@pytest.mark.parametrize("broken", [True, False])
def test_running_statistics_that_are_never_updated(broken) -> None:
    torch.manual_seed(0)
    assert ("SPK217" in dict(checks_of(Net(broken)))) is broken


class Subclass(nn.BatchNorm1d):
    """Normalizes by itself; `keeps` is whether it keeps the statistics that it computes."""

    def __init__(self, size: int, keeps: bool) -> None:
        super().__init__(size)
        self.keeps = keeps

    def forward(self, x):
        if not self.training:
            return (x - self.running_mean[:, None]) / self.running_var[:, None].sqrt()
        mean, variance = x.mean((0, 2)), x.var((0, 2))
        if self.keeps:
            self.running_mean, self.running_var = mean.detach(), variance.detach()
        return (x - mean[:, None]) / variance[:, None].sqrt()


@pytest.mark.parametrize(("keeps", "expected"), [(False, [("SPK217", "warning")]), (True, [])])
def test_a_subclass_of_torchs_normalization_that_never_updates_its_statistics(keeps, expected) -> None:
    torch.manual_seed(0)
    model = WithOwnNorm(0.0)
    model.norm = Subclass(32, keeps)
    assert [one for one in checks_of(model) if one[0] == "SPK217"] == expected


@pytest.mark.parametrize(("momentum", "expected"), [(0.0, [("SPK217", "warning")]), (0.5, [])])
def test_a_normalization_of_ones_own_that_never_updates_its_statistics(momentum, expected) -> None:
    torch.manual_seed(0)
    assert [one for one in checks_of(WithOwnNorm(momentum)) if one[0] == "SPK217"] == expected
