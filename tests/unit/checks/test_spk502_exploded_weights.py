"""SPK502 exploded-weights: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk502_exploded_weights import ExplodedWeights
from tests.unit.checks.build import findings, observe, severity_of, stored

NAME = "fc1.weight"


@pytest.mark.parametrize(
    ("reading", "severity"),
    [
        pytest.param(stored(), None, id="trained"),
        pytest.param(stored(scale=3.7), None, id="the most that a healthy network showed"),
        pytest.param(stored(scale=10.0), None, id="at the limit"),
        pytest.param(stored(scale=10.1), "warning", id="above it"),
        pytest.param(stored(scale=16.0), "warning", id="N(0, 1), 256 inputs"),
        pytest.param(stored(scale=100.1), "error", id="diverged"),
        pytest.param(stored(scale=float("inf")), "error", id="beyond what a float holds"),
        pytest.param(stored(scale=500.0, role="bias"), None, id="a bias"),
        pytest.param(stored(scale=500.0, role="moment"), None, id="a moment"),
    ],
)
def test_judge(reading, severity) -> None:
    assert severity_of(ExplodedWeights(), observe({NAME: [reading]}), NAME) == severity


def test_a_table_of_embeddings_is_left_alone() -> None:
    assert (
        severity_of(ExplodedWeights(), observe({"embedding.weight": [stored(scale=16.0)]}), "embedding.weight") is None
    )


def test_the_largest_weighs_most() -> None:
    [small], [large] = (
        findings(ExplodedWeights(), observe({NAME: [stored(scale=scale)]}), NAME) for scale in (20.0, 2000.0)
    )
    assert large.excess > small.excess > 0
