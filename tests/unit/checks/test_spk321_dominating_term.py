"""SPK321 dominating-term: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk321_dominating_term import DominatingTerm
from tests.unit.checks.build import loss, loss_terms, observe, run, severity_of, spikes

LIMIT = DominatingTerm.limits()["max_other_share"][0]
STUCK = loss(recent_mean=2.99, recent_slope=0.0, recent_slope_error=1e-5, recent_deviation=0.01)
LARGE = loss_terms(own=3.0, others=900.0)


@pytest.mark.parametrize(
    ("now", "first", "value", "updates", "severity"),
    [
        pytest.param(LARGE, LARGE, STUCK, 100, "warning", id="300 times as large"),
        pytest.param(loss_terms(own=3.0, others=0.0), LARGE, STUCK, 100, "warning", id="paid off: all is silent now"),
        pytest.param(loss_terms(own=1 - LIMIT, others=LIMIT), loss_terms(), STUCK, 100, "warning", id="at the limit"),
        pytest.param(loss_terms(own=0.06, others=0.94), loss_terms(), STUCK, 100, None, id="just below the limit"),
        pytest.param(LARGE, LARGE, loss(recent_mean=0.4), 100, None, id="learned all the same"),
        pytest.param(LARGE, LARGE, STUCK, 63, None, id="too early"),
        pytest.param(loss_terms(own=float("nan"), others=3.0), loss_terms(), STUCK, 100, None, id="not finite"),
        pytest.param(LARGE, LARGE, loss(classes=None, function="l1_loss"), 100, None, id="no guess is known"),
        pytest.param(loss_terms(), loss_terms(), STUCK, 100, None, id="the only term"),
    ],
)
def test_judge(now, first, value, updates, severity) -> None:
    observations = observe({"loss": [now, value]}, first={"loss": [first, value]}, run=run(update=updates))
    assert severity_of(DominatingTerm(), observations, "loss") == severity


@pytest.mark.parametrize(("active", "severity"), [(0, None), (20_480, "warning")])
def test_a_layer_that_was_silent_from_the_start_is_not_its_doing(active, severity) -> None:
    places = {"lif1": [spikes(active=0)], "loss": [LARGE, STUCK]}
    observations = observe(places, first={"lif1": [spikes(active=active)]}, run=run(update=100))
    assert severity_of(DominatingTerm(), observations, "loss") == severity


@pytest.mark.parametrize(
    ("other", "severity"),
    [
        pytest.param(
            loss(function="kl_div", classes=None, first=11.5, recent_mean=1.2), None, id="a teacher's, halved"
        ),
        pytest.param(loss(function="kl_div", classes=None, first=11.5, recent_mean=9.0), "warning", id="a teacher's"),
        pytest.param(loss(function="l1_loss", classes=None, first=11.5, recent_mean=1.2), "warning", id="a penalty"),
        pytest.param(loss(recent_mean=0.4), None, id="another task, learned"),
    ],
)
def test_a_small_term_beside_a_task_that_is_learned(other, severity) -> None:
    places = {"loss": [LARGE, STUCK], "loss 2": [other]}
    observations = observe(places, first={"loss": [LARGE, STUCK]}, run=run(update=100))
    assert severity_of(DominatingTerm(), observations, "loss") == severity


@pytest.mark.parametrize(
    ("others", "rate", "value", "severity"),
    [
        pytest.param(
            30.0, 0.0005, loss(recent_mean=2.2), "warning", id="a penalty on spikes that silences the network"
        ),
        pytest.param(30.0, 0.02, loss(recent_mean=2.2), None, id="still fires"),
        pytest.param(30.0, 0.0005, loss(recent_mean=0.4), None, id="learns with few spikes"),
        pytest.param(1.0, 0.0005, loss(recent_mean=2.2), None, id="the smaller part of the sum"),
    ],
)
def test_a_penalty_that_the_spikes_pay_for(others, rate, value, severity) -> None:
    terms = loss_terms(own=3.0, others=others)
    now = spikes(count=rate * spikes().elements)
    observations = observe(
        {"lif1": [now], "loss": [terms, value]},
        first={"lif1": [spikes()], "loss": [terms, value]},
        run=run(update=100),
    )
    assert severity_of(DominatingTerm(), observations, "loss") == severity
