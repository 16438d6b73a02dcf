"""SPK214 evaluation-mode: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk214_evaluation_mode import EvaluationMode
from tests.unit.checks.build import mode, observe, severity_of


@pytest.mark.parametrize(
    ("readings", "severity"),
    [
        pytest.param([mode()], None, id="training mode"),
        pytest.param([mode(evaluation_updates=20)], "warning", id="evaluation mode"),
        pytest.param([mode(evaluation_updates=10)], "warning", id="exactly at the limit"),
        pytest.param([mode(evaluation_updates=9)], None, id="less than half"),
        pytest.param([mode(updates=2, evaluation_updates=2)], None, id="too few updates"),
        pytest.param([mode(evaluation_updates=20, trained_before=True)], "note", id="fine-tuning, statistics frozen"),
        pytest.param([mode(evaluation_updates=19, trained_before=True)], "warning", id="not from the start"),
    ],
)
def test_judge(readings, severity) -> None:
    assert severity_of(EvaluationMode(), observe({"norm": readings}), "norm") == severity


def test_one_finding_for_the_model_and_none_where_a_module_trains() -> None:
    off = [mode(evaluation_updates=20)]
    assert severity_of(EvaluationMode(), observe({"a": off, "b": off}), "a") == "warning"
    assert severity_of(EvaluationMode(), observe({"a": off, "b": off}), "b") is None
    assert severity_of(EvaluationMode(), observe({"a": off, "b": [mode()]}), "a") is None
