"""SPK501 non-finite-weights: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk501_non_finite_weights import NonFiniteWeights
from tests.unit.checks.build import findings, observe, severity_of, stored

NAME = "fc1.weight"


@pytest.mark.parametrize(
    ("reading", "severity"),
    [
        pytest.param(stored(), None, id="finite"),
        pytest.param(stored(nan=1, first_non_finite=(3, 5)), "error", id="one NaN"),
        pytest.param(stored(infinite=2, first_non_finite=(0, 0)), "error", id="infinite"),
        pytest.param(
            stored(role="buffer", infinite=10, first_non_finite=(0, 1), minimum=0.0, maximum=0.0), None, id="a mask"
        ),
        pytest.param(
            stored(role="buffer", infinite=10, nan=1, first_non_finite=(0, 1), minimum=0.0, maximum=0.0),
            "error",
            id="a mask with NaN",
        ),
        pytest.param(
            stored(role="weight", infinite=10, first_non_finite=(0, 1), minimum=0.0, maximum=0.0),
            "error",
            id="a weight is no mask",
        ),
        pytest.param(stored(role="moment", nan=1, first_non_finite=(0,)), "error", id="a moment"),
        pytest.param(
            stored(nan=6400, first_non_finite=(0, 0), minimum=None, maximum=None, rms=0.0),
            "error",
            id="nothing but NaN",
        ),
    ],
)
def test_judge(reading, severity) -> None:
    assert severity_of(NonFiniteWeights(), observe({NAME: [reading]}), NAME) == severity


def test_it_names_the_first_index_and_the_share() -> None:
    [finding] = findings(NonFiniteWeights(), observe({NAME: [stored(nan=4, first_non_finite=(3, 5))]}), NAME)
    assert finding.message == "fc1.weight contains 4 NaN or infinite values (of 6,400), the first at [3, 5]"
    assert finding.observed.numbers["share"] == 4 / 6400
