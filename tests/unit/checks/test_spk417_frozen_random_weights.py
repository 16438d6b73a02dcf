"""SPK417 frozen-random-weights: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk417_frozen_random_weights import FrozenRandomWeights
from tests.unit.checks.build import gradient, observe, parameter, severity_of

DEFAULT = 3**-0.5


@pytest.mark.parametrize(
    ("weight", "first", "severity"),
    [
        pytest.param(parameter(scale=DEFAULT), None, "note", id="as nn.Linear draws it"),
        pytest.param(parameter(scale=DEFAULT * 1.02), None, "note", id="within the error of 6,400 values"),
        pytest.param(parameter(scale=DEFAULT * 1.03), None, None, id="beyond it: trained before, or drawn otherwise"),
        pytest.param(parameter(scale=DEFAULT), parameter(scale=0.5), None, id="it moves, by hand"),
        pytest.param(parameter(scale=DEFAULT, elements=1000), None, None, id="too few elements to say"),
        pytest.param(parameter(scale=DEFAULT, dimensions=1), None, None, id="a bias"),
    ],
)
def test_judge(weight, first, severity) -> None:
    places = {"fc1.weight": [weight], "fc2.weight": [parameter(), gradient()]}
    observations = observe(places, first=None if first is None else {"fc1.weight": [first]})
    assert severity_of(FrozenRandomWeights(), observations, "fc1.weight") == severity


def test_without_any_training_nothing_is_frozen() -> None:
    observations = observe({"fc1.weight": [parameter(scale=DEFAULT)]})
    assert severity_of(FrozenRandomWeights(), observations, "fc1.weight") is None
