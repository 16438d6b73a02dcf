"""SPK602 leaking-state: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk602_leaking_state import LeakingState
from spikecheck.experiment_readings import RepeatedBatchReading
from tests.unit.checks.build import findings, observe, severity_of

LIMIT = LeakingState.limits()["max_relative_change"][0]


@pytest.mark.parametrize(
    ("reading", "severity"),
    [
        pytest.param(RepeatedBatchReading(0.2, False, ("lif1",)), "error", id="a state"),
        pytest.param(RepeatedBatchReading(0.2, True, ("lif1",)), "error", id="a state that the loop does not reset"),
        pytest.param(RepeatedBatchReading(0.2, False), "note", id="a state, or a random number generator"),
        pytest.param(
            RepeatedBatchReading(0.2, False, ("lif1",), resettable=True),
            "note",
            id="an unknown loop may reset it",
        ),
        pytest.param(RepeatedBatchReading(LIMIT, False, ("lif1",)), None, id="exactly at the limit"),
        pytest.param(RepeatedBatchReading(0.0, False, ("lif1",)), None, id="a state that is reset"),
        pytest.param(RepeatedBatchReading(0.0, True, (), "RuntimeError: twice"), "error", id="the second pass raises"),
    ],
)
def test_judge(reading, severity) -> None:
    assert severity_of(LeakingState(), observe({"the model": [reading]}), "the model") == severity


def test_the_message_names_the_layer() -> None:
    (finding,) = findings(
        LeakingState(), observe({"the model": [RepeatedBatchReading(0.2, False, ("lif1", "lif2"))]}), "the model"
    )
    assert finding.message == "the same batch gives another output the second time: state of lif1"
