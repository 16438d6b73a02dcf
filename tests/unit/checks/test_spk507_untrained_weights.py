"""SPK507 untrained-weights: a table of numbers, no model."""

from __future__ import annotations

from math import sqrt

import pytest

from spikecheck.checks.spk507_untrained_weights import UntrainedWeights
from tests.unit.checks.build import findings, observe, run, severity_of, stored

NAME = "fc1.weight"


def drawn(bound: float, n: int = 6400, **changed):
    """A fair draw from [-bound, bound]: its ends as near as n values come."""
    end = bound * (1 - 2 / n)
    return stored(**{"rms": bound / sqrt(3), "minimum": -end, "maximum": end, "mean": 0.0, "elements": n} | changed)


@pytest.mark.parametrize(
    ("reading", "severity"),
    [
        pytest.param(stored(), None, id="trained"),
        pytest.param(drawn(0.1), "warning", id="the default of nn.Linear, fan-in 100"),
        pytest.param(drawn(sqrt(6 / 100)), "warning", id="He's"),
        pytest.param(drawn(sqrt(6 / 164)), "warning", id="Xavier's"),
        pytest.param(drawn(0.2), None, id="of no known width"),
        pytest.param(drawn(0.1, maximum=0.1002), None, id="one value beyond the end"),
        pytest.param(drawn(0.1, minimum=-0.099), None, id="an end too far inside"),
        pytest.param(drawn(0.1, mean=0.01), None, id="off its mean"),
        pytest.param(drawn(0.1, rms=0.05), None, id="not even"),
        pytest.param(drawn(0.1, n=999), None, id="too few to tell"),
        pytest.param(drawn(0.1, role="buffer"), None, id="a buffer"),
        pytest.param(drawn(0.1, nan=1), None, id="with NaN in it"),
        pytest.param(drawn(0.1, minimum=None, maximum=None), None, id="nothing finite"),
    ],
)
def test_judge(reading, severity) -> None:
    assert severity_of(UntrainedWeights(), observe({NAME: [reading]}, run=run(update=50)), NAME) == severity


def test_a_file_that_counts_no_update_may_hold_fresh_weights() -> None:
    assert severity_of(UntrainedWeights(), observe({NAME: [drawn(0.1)]}, run=run(update=0)), NAME) is None


def test_a_few_updates_may_be_too_small_to_show() -> None:
    assert severity_of(UntrainedWeights(), observe({NAME: [drawn(0.1)]}, run=run(update=49)), NAME) == "note"


def test_it_names_the_initializer() -> None:
    [finding] = findings(UntrainedWeights(), observe({NAME: [drawn(0.1)]}), NAME)
    assert (finding.observed.numbers["initializer"], finding.observed.numbers["bound"]) == (
        "the default of nn.Linear",
        0.1,
    )
