"""SPK501 non-finite-weights: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk501_non_finite_weights import NonFiniteWeights
from tests.unit.checks.build import evidence, findings, found, stored

NAME = "fc1.weight"


@pytest.mark.parametrize(
    ("given", "severity"),
    [
        pytest.param(stored(), None, id="finite"),
        pytest.param(stored(nan=1, place=(3, 5)), "error", id="one NaN"),
        pytest.param(stored(infinite=2, place=(0, 0)), "error", id="infinite"),
        pytest.param(stored(role="buffer", infinite=10, place=(0, 1), minimum=0.0, maximum=0.0), None, id="a mask"),
        pytest.param(
            stored(role="buffer", infinite=10, nan=1, place=(0, 1), minimum=0.0, maximum=0.0),
            "error",
            id="a mask with NaN",
        ),
        pytest.param(
            stored(role="weight", infinite=10, place=(0, 1), minimum=0.0, maximum=0.0),
            "error",
            id="a weight is no mask",
        ),
        pytest.param(stored(role="moment", nan=1, place=(0,)), "error", id="a moment"),
        pytest.param(
            stored(nan=6400, place=(0, 0), minimum=None, maximum=None, rms=0.0), "error", id="nothing but NaN"
        ),
    ],
)
def test_judge(given, severity) -> None:
    assert found(NonFiniteWeights(), evidence({NAME: [given]}), NAME) == severity


def test_it_names_the_place_and_the_share() -> None:
    [finding] = findings(NonFiniteWeights(), evidence({NAME: [stored(nan=4, place=(3, 5))]}), NAME)
    assert finding.message == "4 of 6,400 values of fc1.weight not finite, the first at [3, 5]"
    assert "4 NaN and 0 infinite of 6400 values (0.06%)" in finding.seen.text
