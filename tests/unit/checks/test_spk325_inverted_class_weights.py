"""SPK325 inverted-class-weights: a table of numbers, and losses as torch computes them."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import spikecheck
from spikecheck.checks.spk325_inverted_class_weights import InvertedClassWeights
from spikecheck.loss_readings import ClassWeightReading
from tests.unit.checks.build import findings, loss, observe, severity_of, targets


def place(weights, counts, **changed):
    reading = ClassWeightReading(updates=10, weights=tuple(weights))
    labels = targets(classes=len(counts), class_counts=tuple(counts), samples=sum(counts), has_class_weights=True)
    return observe({"loss": [reading, labels, loss(**changed)]})


COUNTS = (560, 280, 140, 70, 35)


@pytest.mark.parametrize(
    ("weights", "counts", "severity"),
    [
        pytest.param((0.88, 0.12), (558, 82), "warning", id="two classes: the shares"),
        pytest.param(COUNTS, COUNTS, "warning", id="five classes: the counts"),
        pytest.param([1 / n for n in COUNTS], COUNTS, None, id="inverse frequencies"),
        pytest.param([1 / n for n in COUNTS[::-1]], COUNTS, "warning", id="inverse frequencies, in the wrong order"),
        pytest.param((1.0,) * 5, COUNTS, None, id="equal weights"),
        pytest.param([n**0.5 for n in COUNTS], COUNTS, None, id="roots of the frequencies"),
        pytest.param((5.0, 1.0), (70, 130), None, id="the rare class costs more"),
        pytest.param((10.0, 1.0), (420, 180), None, id="a cost that has nothing to do with frequencies"),
        pytest.param((0.88, 0.12), (322, 318), None, id="a sampler balances the batches"),
        pytest.param((1.0, 0.5), (400, 200), "warning", id="a ratio of 2: at the limit"),
        pytest.param((1.0, 0.5), (399, 200), None, id="below it"),
        pytest.param((0.8, 0.2), (160, 40), "warning", id="200 labels: at the limit"),
        pytest.param((0.8, 0.2), (160, 39), None, id="too few labels to say"),
        pytest.param((0.95, 0.05), (191, 9), None, id="a class with too few labels"),
        pytest.param((1.0, 1.0, 0.0), (500, 400, 100), None, id="a class that is left out"),
        pytest.param((1.0, 2.0, 2.0, 1.0, 0.2), COUNTS, None, id="weights that scatter"),
        pytest.param((), (558, 82), None, id="too many classes to keep"),
    ],
)
def test_judge(weights, counts, severity) -> None:
    assert severity_of(InvertedClassWeights(), place(weights, counts), "loss") == severity


def test_a_finding_gives_both_classes_and_the_weights_that_balance_them() -> None:
    (finding,) = findings(InvertedClassWeights(), place((0.88, 0.12), (558, 82), function="nll_loss"), "loss")
    assert finding.message == "the loss weighs class 0 (87% of targets) 7.3 times as much as class 1 (13%)"
    assert "torch.tensor([0.57, 3.9])" in finding.fixes[0].code
    assert "functional.nll_loss(" in finding.fixes[0].code


@pytest.mark.parametrize(
    ("weights", "reported"),
    [
        pytest.param((0.9, 0.1), True, id="the shares"),
        pytest.param((0.1, 0.9), False, id="the inverse"),
        pytest.param(None, False, id="no weights"),
    ],
)
@pytest.mark.filterwarnings("ignore::spikecheck.SpikecheckWarning")
@pytest.mark.parametrize("function", [F.cross_entropy, F.nll_loss])
def test_the_weights_of_a_loss_arrive(function, weights, reported) -> None:
    model = nn.Linear(8, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    class_weights = None if weights is None else torch.tensor(weights)
    monitor = spikecheck.attach(model)
    for _ in range(12):
        y = (torch.arange(40) % 10 == 0).long()
        optimizer.zero_grad()
        function(model(torch.rand(40, 8)).log_softmax(1), y, weight=class_weights).backward()
        optimizer.step()
    assert ("SPK325" in {finding.check for finding in monitor.report().findings}) is reported
