"""SPK309 constant-prediction: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk309_constant_prediction import ConstantPrediction
from tests.unit.checks.build import logits, observe, run, severity_of, targets

EVEN = targets(classes=20, class_counts=(16,) * 20)
LATE = run(update=64)


def rows(top_class_rows: int, decided: int = 320, **changed):
    return logits(decided_rows=decided, top_class_rows=top_class_rows, top_class=7, **changed)


@pytest.mark.parametrize(
    ("observations", "labels", "of_run", "severity"),
    [
        pytest.param(rows(40), EVEN, LATE, None, id="spread over the classes"),
        pytest.param(rows(320), EVEN, LATE, "warning", id="always 7"),
        pytest.param(rows(304), EVEN, LATE, "warning", id="at the limit"),
        pytest.param(rows(303), EVEN, LATE, None, id="just below it"),
        pytest.param(rows(320), EVEN, run(update=63), None, id="too early"),
        pytest.param(
            rows(320), targets(classes=2, class_counts=(200, 120)), LATE, None, id="the labels are hardly better"
        ),
        pytest.param(rows(320), targets(), LATE, None, id="the labels were not counted"),
        pytest.param(rows(127, 127), EVEN, LATE, None, id="too few rows"),
        pytest.param(rows(130, 130), EVEN, LATE, None, id="most rows are tied"),
        pytest.param(logits(), EVEN, LATE, None, id="too many classes to count"),
    ],
)
def test_judge(observations, labels, of_run, severity) -> None:
    assert severity_of(ConstantPrediction(), observe({"loss": [observations, labels]}, run=of_run), "loss") == severity
