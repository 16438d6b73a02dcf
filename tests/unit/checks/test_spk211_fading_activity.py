"""SPK211 fading-activity: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk211_fading_activity import FadingActivity
from tests.unit.checks.build import firing_at, loss, observe, severity_of


@pytest.mark.parametrize(
    ("places", "severity"),
    [
        pytest.param(firing_at(0.05, 0.04, 0.03), None, id="even rates"),
        pytest.param(firing_at(0.05, 0.005, 0.001), "warning", id="exactly at the limit"),
        pytest.param(firing_at(0.05, 0.005, 0.0011), None, id="just above the limit"),
        pytest.param(firing_at(0.05, 0.06, 0.0001), None, id="no trend"),
        pytest.param(firing_at(0.05, 0.0001), None, id="two layers"),
        pytest.param(firing_at(0.0, 0.0, 0.0), None, id="the first is silent"),
    ],
)
def test_judge(places, severity) -> None:
    assert severity_of(FadingActivity(), observe(places), list(places)[-1]) == severity


def test_a_trend_that_training_caused_is_left_alone() -> None:
    observations = observe(firing_at(0.05, 0.005, 0.001), first=firing_at(0.05, 0.05, 0.05))
    assert severity_of(FadingActivity(), observations, "lif2") is None


@pytest.mark.parametrize(
    ("last", "losses", "severity"),
    [
        (0.0001, loss(), "note"),
        (0.0001, loss(recent_mean=3.1, recent_slope=0.0), "warning"),
        (0.0, loss(), "warning"),
    ],
    ids=["it fires, and the loss falls", "the loss stays", "it is silent"],
)
def test_it_is_a_note_where_enough_is_left_to_learn_from(last, losses, severity) -> None:
    observations = observe(firing_at(0.05, 0.005, last) | {"loss": [losses]})
    assert severity_of(FadingActivity(), observations, "lif2") == severity
