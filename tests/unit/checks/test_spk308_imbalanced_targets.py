"""SPK308 imbalanced-targets: a table of numbers, no model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spikecheck.checks.spk308_imbalanced_targets import ImbalancedTargets
from spikecheck.readings import RegressionTargetReading
from tests.unit.checks.build import findings, logits, loss, observe, run, severity_of, targets


def labels(*counts: int, **changed):
    return targets(classes=len(counts), class_counts=counts, samples=sum(counts), **changed)


def predictions(top_class_rows: int, decided_rows: int = 1000, top_class: int = 0):
    return logits(
        rows=decided_rows, decided_rows=decided_rows, top_class_rows=top_class_rows, top_class=top_class, classes=20
    )


CONSTANT = predictions(1000)
RARE = labels(970, *[2] * 15)


@pytest.mark.parametrize(
    ("counts", "predicted", "severity"),
    [
        pytest.param(labels(*[100] * 20), CONSTANT, None, id="even"),
        pytest.param(RARE, CONSTANT, "warning", id="97 % in one, and it is all that is predicted"),
        pytest.param(labels(800, 200), CONSTANT, "warning", id="at the limit"),
        pytest.param(labels(790, 210), CONSTANT, None, id="two classes, below it"),
        pytest.param(labels(910, 45, 45), predictions(877), None, id="a segmentation: strokes are found"),
        pytest.param(labels(900, 100), predictions(951), "warning", id="half of the rare labels at most are right"),
        pytest.param(labels(900, 100), predictions(949), None, id="perhaps more than half are"),
        pytest.param(RARE, predictions(1000, top_class=3), None, id="another class is predicted: not the imbalance"),
        pytest.param(RARE, logits(), None, id="predictions not counted"),
        pytest.param(labels(970, *[2] * 15, has_class_weights=True), CONSTANT, None, id="class weights"),
        pytest.param(labels(*[1000] * 2, *[10] * 18), CONSTANT, "note", id="two of 20 classes have most"),
        pytest.param(labels(*[1000] * 6, *[0] * 14), CONSTANT, None, id="14 of 20 outputs have no labels"),
        pytest.param(labels(190, 9), CONSTANT, None, id="too few to say"),
        pytest.param(labels(1000, 0), CONSTANT, None, id="one class alone is SPK307's"),
        pytest.param(targets(), CONSTANT, None, id="not counted"),
    ],
)
def test_judge(counts, predicted, severity) -> None:
    observations = observe({"loss": [counts, predicted]}, run=run(update=64))
    assert severity_of(ImbalancedTargets(), observations, "loss") == severity


@pytest.mark.parametrize(
    ("updates", "live", "severity"),
    [(63, False, None), (64, False, "warning"), (255, True, None), (256, True, "warning")],
)
def test_rare_classes_are_learned_last(updates, live, severity) -> None:
    observations = observe({"loss": [RARE, CONSTANT]}, run=run(update=updates, live=live))
    assert severity_of(ImbalancedTargets(), observations, "loss") == severity


def test_a_finding_gives_the_share_and_what_it_does() -> None:
    observations = observe({"loss": [RARE, predictions(994)]}, run=run(update=64))
    (finding,) = findings(ImbalancedTargets(), observations, "loss")
    assert finding.message == "97% of targets are class 0 (of 16)"
    assert "the other classes are predicted 0.2x as often as they occur" in finding.observed.text


@pytest.mark.parametrize(
    ("predicted", "level", "severity"),
    [
        pytest.param(predictions(850), 0.325, "warning", id="nothing is learned beyond how often each label occurs"),
        pytest.param(predictions(850), 0.1, None, id="it learns"),
        pytest.param(predictions(850, top_class=1), 0.325, None, id="another class is predicted"),
    ],
)
def test_what_is_predicted_at_random_is_not_learned(predicted, level, severity) -> None:
    lost = loss(recent_mean=level, recent_deviation=0.01, recent_slope=0.0)
    observations = observe({"loss": [labels(900, 100), predicted, lost]}, run=run(update=64))
    assert severity_of(ImbalancedTargets(), observations, "loss") == severity


def of_pixels(ones: float, highest: float, **changed) -> RegressionTargetReading:
    """Targets of 0 and 1, 144 for each sample, and the highest output of the latest update."""
    numbers = RegressionTargetReading(80, 92_160, 0.0, 1.0, -3.0, 0.2, (), 16, ones, ones * (1 - ones))
    return replace(numbers, latest_output_maximum=highest, outputs=12, **changed)


def logistic(level: float, function: str = "binary_cross_entropy_with_logits"):
    return loss(
        function=function, classes=None, updates=80, first=0.7, recent_mean=level, recent_deviation=0.001, window=64
    )


STUCK = logistic(0.05)  # a guess has 0.0414


@pytest.mark.parametrize(
    ("numbers", "losses", "severity"),
    [
        pytest.param(of_pixels(1 / 144, -2.8), STUCK, "warning", id="one pixel in 144, and never found"),
        pytest.param(of_pixels(1 / 144, 1.5), STUCK, None, id="an output says 1"),
        pytest.param(of_pixels(1 / 144, -2.8), logistic(0.01), None, id="the network learns"),
        pytest.param(of_pixels(0.1, -2.0), logistic(0.35), None, id="a tenth of them"),
        pytest.param(of_pixels(1 / 12, -2.0), logistic(0.35), None, id="one-hot"),
        pytest.param(of_pixels(1 / 144, -2.8, target_variance=0.003), STUCK, None, id="a soft map"),
        pytest.param(of_pixels(1 / 144, 0.1), logistic(0.05, "binary_cross_entropy"), "warning", id="probabilities"),
        pytest.param(of_pixels(1 / 144, 0.6), logistic(0.05, "binary_cross_entropy"), None, id="one of them is high"),
        pytest.param(of_pixels(1 / 144, 0.1), logistic(0.05, "mse_loss"), None, id="a regression"),
        pytest.param(of_pixels(1 / 144, -2.8), replace(STUCK, plain_mean=False), None, id="with weights"),
    ],
)
def test_binary_targets(numbers, losses, severity) -> None:
    observations = observe({"loss": [numbers, losses]}, run=run(update=80))
    assert severity_of(ImbalancedTargets(), observations, "loss") == severity


def test_the_fix_weighs_the_ones_by_how_rare_they_are() -> None:
    observations = observe({"loss": [of_pixels(1 / 101, -2.8), logistic(0.06)]}, run=run(update=80))
    [finding] = findings(ImbalancedTargets(), observations, "loss")
    assert "pos_weight=torch.tensor(100.0)" in finding.fixes[0].code
    assert finding.message == "99.0% of targets are 0, and no output says 1"
