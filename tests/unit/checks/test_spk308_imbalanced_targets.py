"""SPK308 imbalanced-targets: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk308_imbalanced_targets import ImbalancedTargets
from tests.unit.checks.build import findings, observe, severity_of, targets


def labels(*counts: int, **changed):
    return targets(classes=len(counts), class_counts=counts, samples=sum(counts), **changed)


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(labels(*[100] * 20), None, id="even"),
        pytest.param(labels(970, *[2] * 15), "warning", id="97 % in one"),
        pytest.param(labels(900, 100), "warning", id="at the limit"),
        pytest.param(labels(890, 110), None, id="two classes, below it"),
        pytest.param(labels(970, *[2] * 15, has_class_weights=True), None, id="class weights make up for it"),
        pytest.param(labels(*[1000] * 2, *[10] * 18), "note", id="two of 20 classes have most"),
        pytest.param(labels(190, 9), None, id="too few to say"),
        pytest.param(labels(1000, 0), None, id="one class alone is SPK307's"),
        pytest.param(targets(), None, id="not counted"),
    ],
)
def test_judge(observations, severity) -> None:
    assert severity_of(ImbalancedTargets(), observe({"loss": [observations]}), "loss") == severity


def test_a_finding_gives_the_share_and_the_entropy() -> None:
    (finding,) = findings(ImbalancedTargets(), observe({"loss": [labels(970, *[2] * 15)]}), "loss")
    assert finding.message == "97% of targets are class 0 (of 16)"
    assert "their entropy is 0.216" in finding.observed.text
