"""SPK212 exploding-activity: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk212_exploding_activity import ExplodingActivity
from tests.unit.checks.build import firing_at, observe, severity_of


@pytest.mark.parametrize(
    ("places", "severity"),
    [
        pytest.param(firing_at(0.05, 0.06, 0.07), None, id="even rates"),
        pytest.param(firing_at(0.125, 0.3, 0.5), "warning", id="exactly at the limit"),
        pytest.param(firing_at(0.126, 0.3, 0.5), None, id="less than four times"),
        pytest.param(firing_at(0.05, 0.3, 0.49), None, id="less than half"),
        pytest.param(firing_at(0.05, 0.6), None, id="two layers"),
        pytest.param(firing_at(0.05, 0.04, 0.9), None, id="no trend"),
    ],
)
def test_judge(places, severity) -> None:
    assert severity_of(ExplodingActivity(), observe(places), list(places)[-1]) == severity


def test_a_trend_that_training_caused_is_left_alone() -> None:
    observations = observe(firing_at(0.125, 0.3, 0.5), first=firing_at(0.05, 0.05, 0.05))
    assert severity_of(ExplodingActivity(), observations, "lif2") is None
