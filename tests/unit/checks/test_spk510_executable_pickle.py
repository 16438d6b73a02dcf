"""SPK510 executable-pickle: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk510_executable_pickle import ExecutablePickle
from spikecheck.stored import GlobalReading
from tests.unit.checks.build import observe, severity_of

NAME = "functools.partial"


@pytest.mark.parametrize(
    ("reading", "severity"),
    [
        pytest.param(GlobalReading(called=True), "warning", id="it would be called"),
        pytest.param(GlobalReading(called=False), "note", id="it would be imported"),
    ],
)
def test_judge(reading: GlobalReading, severity: str) -> None:
    assert severity_of(ExecutablePickle(), observe({NAME: [reading]}), NAME) == severity
