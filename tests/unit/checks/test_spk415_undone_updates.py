"""SPK415 undone-updates: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk415_undone_updates import UndoneUpdates
from tests.unit.checks.build import gradient, observe, severity_of, undone

LIMIT = UndoneUpdates.limits()["min_updates"][0]


@pytest.mark.parametrize(
    ("first", "second", "severity"),
    [
        pytest.param(undone(undone_updates=10), undone(undone_updates=10), "error", id="all weights are put back"),
        pytest.param(undone(undone_updates=9), undone(undone_updates=9), "error", id="rounding: only the first lasts"),
        pytest.param(undone(undone_updates=8), undone(undone_updates=8), None, id="two of ten last"),
        pytest.param(undone(undone_updates=10), undone(), "warning", id="one weight is put back"),
        pytest.param(undone(updates=LIMIT, undone_updates=LIMIT), undone(), "warning", id="exactly at the limit"),
        pytest.param(undone(updates=LIMIT - 1, undone_updates=LIMIT - 1), undone(), None, id="just below the limit"),
        pytest.param(undone(updates=0), undone(updates=0), None, id="a weight that no update changes"),
        pytest.param(undone(), undone(), None, id="healthy"),
    ],
)
def test_judge(first, second, severity) -> None:
    observations = observe({"fc1.weight": [first, gradient()], "fc2.weight": [second, gradient()]})
    assert severity_of(UndoneUpdates(), observations, "fc1.weight") == severity
