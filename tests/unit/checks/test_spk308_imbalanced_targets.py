"""SPK308 imbalanced-targets: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk308_imbalanced_targets import ImbalancedTargets
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
