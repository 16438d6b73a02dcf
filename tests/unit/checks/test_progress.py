"""Whether training may still repair something."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spikecheck.checks.judge import Judge
from spikecheck.checks.progress import may_still_resolve
from spikecheck.checks.spk201_multi_spike import MultiSpike
from spikecheck.checks.spk203_dead_layer import DeadLayer
from spikecheck.checks.spk303_high_initial_loss import HighInitialLoss
from spikecheck.checks.spk406_weight_scale import WeightScale
from spikecheck.finding import Expected, Observed, Severity
from spikecheck.site import SiteKind
from spikecheck.update_readings import GradientAtStepReading
from tests.unit.checks.build import (
    gradient,
    loss,
    observe,
    parameter,
    potential,
    run,
    severity_of,
    site,
    spikes,
    update,
)

NONE = gradient(zero_updates=12, missing_updates=8)
STILL = update(unmoved_updates=20)


def net(first=(), last=(), done=20, fed_by="fc2"):
    """Two layers; a weight before each, with an ordinary gradient and update except for the arguments."""
    places = {
        "fc1.weight": [parameter(), gradient(), update(), *first],
        "lif1": [spikes()],
        "fc2.weight": [parameter(), gradient(), update(), *last],
        "lif2": [spikes(active=0, count=0.0)],
        "fc3.weight": [parameter(), gradient(), update()],
    }
    return observe(places, sites={"lif2": {"fed_by": fed_by}}, run=run(live=True, update=done))


def layer(observations):
    return next(s for s in observations.sites if s.kind is SiteKind.SPIKES and s.name == "lif2")


@pytest.mark.parametrize(
    ("observations", "may"),
    [
        pytest.param(net(), True, id="its weight learns"),
        pytest.param(net(done=63), True, id="just before the limit"),
        pytest.param(net(done=64), False, id="exactly at the limit"),
        pytest.param(net(last=[NONE]), True, id="a weight before it does"),
        pytest.param(net(first=[NONE], last=[NONE]), False, id="no gradient reaches any up to it"),
        pytest.param(net(first=[STILL], last=[STILL]), False, id="none is moved"),
        pytest.param(net(first=[NONE], last=[STILL]), False, id="one gets no gradient, one does not move"),
        pytest.param(net(first=[NONE], last=[NONE], fed_by=None), True, id="not known what feeds it: any weight"),
        pytest.param(net(last=[update(updates=0, unmoved_updates=0)]), True, id="no update was compared yet"),
    ],
)
def test_training_may_mend_a_layer_that_weights_on_the_way_to_it_change(observations, may) -> None:
    assert may_still_resolve(layer(observations), observations.readings(layer(observations))) is may


def test_only_what_training_mends_is_waited_for() -> None:
    observations = net()
    judge = Judge((DeadLayer(), WeightScale()))
    dead = DeadLayer().finding(
        layer(observations), observed=Observed("", what="is silent", neurons=1), expected=Expected("")
    )
    at = site(SiteKind.PARAMETER, "fc2.weight")
    large = WeightScale().finding(at, observed=Observed("", scale=26.5, comparison=""), expected=Expected("0.6 to 1.4"))
    assert judge.awaits([dead], observations)
    assert not judge.awaits([large], observations)


def test_a_high_first_loss_waits_and_so_does_a_note_that_explains_nothing_else() -> None:
    observations = net()
    judge = Judge((MultiSpike(), HighInitialLoss(), DeadLayer(), WeightScale()))
    dead = DeadLayer().finding(
        layer(observations), observed=Observed("", what="is silent", neurons=1), expected=Expected("")
    )
    note = replace(dead, check="SPK201", severity=Severity.NOTE)
    first_loss = replace(dead, check="SPK303", severity=Severity.WARNING)
    assert judge.awaits([first_loss], observations)
    assert judge.awaits([note, first_loss], observations)
    assert not judge.awaits([note], observations)
    assert not judge.awaits([note, first_loss, replace(dead, check="SPK405")], observations)
    assert judge.awaits([replace(note, severity=Severity.WARNING), first_loss], observations)
    assert judge.awaits([note, replace(dead, severity=Severity.WARNING)], observations)
    assert not judge.awaits([replace(note, check="SPK406", severity=Severity.WARNING), first_loss], observations)
    assert not judge.awaits([note, first_loss], net(done=64))


@pytest.mark.parametrize(
    ("first", "now", "update", "waits"),
    [
        pytest.param(0.2, 0.75, 80, True, id="nearer to a threshold of 1"),
        pytest.param(0.25, 0.5, 80, True, id="twice as near, half way"),
        pytest.param(0.26, 0.5, 80, False, id="not twice as near"),
        pytest.param(0.1, 0.4, 80, False, id="still far away"),
        pytest.param(0.2, 0.75, 256, False, id="for too long"),
    ],
)
def test_a_silent_layer_that_comes_nearer_to_its_threshold_is_waited_for(first, now, update, waits: bool) -> None:
    dead = spikes(active=0, count=0.0, maximum=0.0, values=(0.0,))
    observations = observe(
        {"lif1": [dead, potential(maximum=now)]},
        first={"lif1": [dead, potential(maximum=first)]},
        run=run(live=True, update=update),
    )
    (at,) = (s for s in observations.sites if s.kind is SiteKind.SPIKES)
    finding = DeadLayer().finding(at, observed=Observed("", what="is silent", neurons=1), expected=Expected(""))
    assert Judge((DeadLayer(),)).awaits([finding], observations) is waits


AT_GUESS = loss(first=3.0, recent_mean=3.0, recent_slope=0.0)
BY_RATE = update(mean_relative_norm=2.5e-4, learning_rate=1e-5)  # with a weight of RMS 0.036: 0.9 learning rates
BY_GRADIENT = update(mean_relative_norm=2.5e-4, learning_rate=1e-3)
CLEARED = GradientAtStepReading(14, 14, backward_norm=0.4)
CLIPPED = GradientAtStepReading(14, 0, 0, shrunken_updates=14, backward_norm=0.4)


def stuck(moved, *more, lost=AT_GUESS):
    """A layer that was silent from the start, and a loss that stays at that of a guess."""
    places = {
        "fc1.weight": [parameter(), gradient(), *([] if moved is None else [moved]), *more],
        "lif1": [spikes(active=0, count=0.0)],
        "lif2": [spikes()],
        "loss": [lost],
    }
    return observe(places, sites={"lif1": {"fed_by": "fc1"}}, run=run(update=200))


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(stuck(BY_RATE), "note", id="Adam at a low learning rate"),
        pytest.param(stuck(BY_GRADIENT), "error", id="the gradient is small: the silent layer may be why"),
        pytest.param(stuck(BY_GRADIENT, CLIPPED), "note", id="the gradient is clipped to next to nothing"),
        pytest.param(stuck(STILL, CLEARED), "note", id="gradients arrive and are cleared before the update"),
        pytest.param(stuck(None), "note", id="gradients arrive and no optimizer holds the weight"),
        pytest.param(
            stuck(None, gradient(zero_updates=20)), "error", id="no gradient arrives, and no optimizer holds it"
        ),
        pytest.param(stuck(STILL), "error", id="no weight moves, and no gradient is known to arrive"),
        pytest.param(stuck(update()), "error", id="the weights move, and the layer stays silent"),
        pytest.param(stuck(BY_RATE, gradient(zero_updates=20)), "error", id="no gradient reaches the weights"),
        pytest.param(stuck(BY_RATE, lost=loss(first=3.0, recent_mean=1.0)), "error", id="the network learns"),
    ],
)
def test_a_layer_that_training_would_wake_up_is_no_cause_where_updates_are_throttled(observations, severity) -> None:
    assert severity_of(DeadLayer(), observations, "lif1") == severity
