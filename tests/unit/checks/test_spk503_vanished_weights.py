"""SPK503 vanished-weights: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk503_vanished_weights import VanishedWeights
from tests.unit.checks.build import observe, severity_of, stored

NAME = "fc1.weight"


@pytest.mark.parametrize(
    ("reading", "severity"),
    [
        pytest.param(stored(), None, id="trained"),
        pytest.param(stored(scale=0.01), None, id="at the limit"),
        pytest.param(stored(scale=0.0099), "warning", id="below it"),
        pytest.param(stored(scale=0.0), None, id="all zero is another finding"),
        pytest.param(stored(scale=0.001, nan=1), None, id="with NaN in it"),
        pytest.param(stored(scale=0.001, role="buffer"), None, id="a buffer"),
    ],
)
def test_judge(reading, severity) -> None:
    assert severity_of(VanishedWeights(), observe({NAME: [reading]}), NAME) == severity
