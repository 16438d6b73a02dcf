"""SPK203 dead-layer: a table of numbers, no model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spikecheck.checks.base import UNDATED
from spikecheck.checks.spk203_dead_layer import DeadLayer
from spikecheck.readings import NonFinite, TorchError
from spikecheck.site import Moment, SpikeArgument
from spikecheck.timelines import SpikeTimelineReading, TimelinePoint
from tests.unit.checks.build import (
    POISONED,
    drive,
    findings,
    flow,
    loss,
    neuron,
    observe,
    parameter,
    run,
    severity_of,
    spikes,
)


def silent(**changed):
    return spikes(**{"count": 0.0, "active": 0, "maximum": 0.0, "values": (0.0,), "silent_neurons": 64, **changed})


OVER, LIVE = run(), run(live=True)
CUT_OFF = run(torch_errors=(TorchError("RuntimeError", "Trying to backward through the graph a second time", 9),))


@pytest.mark.parametrize(
    ("read", "when", "severity"),
    [
        pytest.param([silent(), flow()], OVER, "error", id="silent"),
        pytest.param([spikes(count=1.0, active=1, silent_neurons=63), flow()], OVER, None, id="one spike"),
        pytest.param([silent(), flow(spikes_receive_gradient=False)], OVER, None, id="only the potential is read"),
        pytest.param(
            [silent(), flow(spikes_receive_gradient=None)],
            OVER,
            "note",
            id="the last layer, and no backward pass was observed",
        ),
        pytest.param([silent()], OVER, "note", id="the last layer, and nothing is known of gradients"),
        pytest.param([silent(forward_passes=1), flow()], OVER, "error", id="one forward pass, and the run is over"),
        pytest.param([silent(forward_passes=9), flow()], LIVE, None, id="it may wake up"),
        pytest.param([silent(forward_passes=9), flow()], CUT_OFF, None, id="an error ended the run before that"),
        pytest.param([silent(forward_passes=10), flow()], LIVE, "error", id="exactly at the limit"),
        pytest.param(
            [silent(non_finite=POISONED), flow()], OVER, None, id="not finite, which belongs to another check"
        ),
        pytest.param([silent(elements=0, time_steps=0), flow()], OVER, None, id="nothing was counted"),
        pytest.param(
            [spikes(silent_neurons=45), flow()], LIVE, None, id="a healthy layer, 71 % silent in the first batch"
        ),
    ],
)
def test_judge(read, when, severity) -> None:
    assert severity_of(DeadLayer(), observe({"lif1": read}, run=when), "lif1") == severity


def fired_until(update: int, silent: int, rate: float = 0.05) -> SpikeTimelineReading:
    """One forward pass per update: so many with spikes, then so many without."""
    means = [rate] * update + [0.0] * silent
    return SpikeTimelineReading(tuple(TimelinePoint(n, n, 1, mean) for n, mean in enumerate(means)), NonFinite(0, 1))


@pytest.mark.parametrize(
    ("timeline", "message"),
    [
        pytest.param(fired_until(40, 10), "lif1 went silent between updates 39 and 40 (64 neurons)", id="at the limit"),
        pytest.param(fired_until(40, 9), None, id="below it"),
        pytest.param(fired_until(40, 0), None, id="it fires"),
        pytest.param(fired_until(0, 40), None, id="it never fired, which the recent spikes show"),
        pytest.param(fired_until(40, 10, rate=1e-6), None, id="so few spikes that none is missing"),
    ],
)
@pytest.mark.parametrize("when", [OVER, LIVE], ids=["over", "live"])
def test_a_layer_that_went_silent_is_dated_though_the_measured_passes_are_older(timeline, message, when) -> None:
    made = findings(DeadLayer(), observe({"lif1": [spikes(), flow(), timeline]}, run=when), "lif1")
    assert [one.message for one in made] == ([] if message is None else [message])
    assert all(one.when == Moment(40) for one in made)
    assert all("in the latest 10 forward passes; 0.05 spikes per neuron" in one.observed.text for one in made)


def test_without_a_backward_pass_only_the_last_layer_is_uncertain() -> None:
    observations = observe({"lif1": [silent()], "lif2": [silent()]})
    assert severity_of(DeadLayer(), observations, "lif1") == "error"
    assert severity_of(DeadLayer(), observations, "lif2") == "note"


def test_the_message_counts_steps_and_neurons() -> None:
    [finding] = findings(DeadLayer(), observe({"lif1": [silent(), flow(), drive(rms=0.05, maximum=0.2)]}), "lif1")
    assert finding.message == "lif1 is silent: 0 spikes in 400 time steps (64 neurons)"
    assert "model.lif1.threshold" in finding.fix


def test_only_tiny_weights_explain_it() -> None:
    def judged(scale):
        places = {"fc1.weight": [parameter(scale=scale)], "lif1": [silent(), flow()]}
        return findings(DeadLayer(), observe(places, sites={"lif1": {"fed_by": "fc1"}}), "lif1")

    [tiny], [large] = judged(0.03), judged(16.0)
    assert set(tiny.explained_by) - set(large.explained_by) == {"SPK406"}


STUCK = {"first": 3.0, "recent_mean": 3.0, "recent_slope": 0.0}


def fires(rate: float, **changed):
    """A layer of 409,600 elements, in forward passes of 20 time steps."""
    return spikes(count=409_600 * rate, active=round(409_600 * rate), **changed)


@pytest.mark.parametrize(
    ("layer", "timeline", "losses", "message"),
    [
        pytest.param(silent(), fired_until(40, 0), loss(), None, id="it fires in the latest updates"),
        pytest.param(
            silent(),
            fired_until(40, 0, rate=2e-4),
            loss(),
            "lif1 is nearly silent: 0.0002 spikes per neuron and time step (64 neurons)",
            id="single spikes in the latest updates",
        ),
        pytest.param(
            fires(9e-4),
            fired_until(40, 0, rate=2e-4),
            loss(**STUCK),
            "lif1 is nearly silent: 0.0002 spikes per neuron and time step (64 neurons)",
            id="single spikes, and nothing is learned",
        ),
        pytest.param(fires(2e-4), fired_until(40, 0, rate=1.1e-3), loss(**STUCK), None, id="just above the limit"),
        pytest.param(fires(2e-4), fired_until(40, 0, rate=2e-4), loss(), None, id="single spikes, and it learns"),
        pytest.param(
            fires(2e-4), fired_until(40, 0, rate=2e-4), loss(updates=63, **STUCK), None, id="too few losses to tell"
        ),
        pytest.param(
            fires(8e-4, time_steps=20_000),
            fired_until(40, 0, rate=8e-4),
            loss(**STUCK),
            None,
            id="a neuron fires nearly once per sample of 1,000 steps",
        ),
    ],
)
def test_what_it_says_agrees_with_the_latest_updates(layer, timeline, losses, message) -> None:
    observations = observe({"lif1": [layer, flow(), timeline], "loss": [losses]})
    made = findings(DeadLayer(), observations, "lif1")
    assert [one.message for one in made] == ([] if message is None else [message])


def test_a_finding_of_before_says_what_is_true_now_and_ends_with_the_silence() -> None:
    [before] = findings(DeadLayer(), observe({"lif1": [silent(), flow()]}), "lif1")

    def now(layer, timeline):
        observations = observe({"lif1": [layer, flow(), timeline]})
        return observations.readings(before.site)

    single, alive = now(fires(2e-4), fired_until(40, 0, rate=1e-4)), now(silent(), fired_until(40, 0))
    assert not DeadLayer().is_over(before, single, made_now=False)
    restated = DeadLayer().restated(before, single)
    assert restated.message == "lif1 is nearly silent: 0.0001 spikes per neuron and time step (64 neurons)"
    assert restated.observed.text == "0.0001 spikes per neuron and time step, from 64 neurons; 0.0001 at first"
    assert DeadLayer().is_over(before, alive, made_now=False)


def faded(alive: int, quiet: int) -> SpikeTimelineReading:
    """One forward pass per update: so many at an ordinary rate, then so many with single spikes."""
    means = [0.05] * alive + [2e-4] * quiet
    return SpikeTimelineReading(tuple(TimelinePoint(n, n, 1, mean) for n, mean in enumerate(means)), NonFinite(0, 1))


def test_a_layer_that_became_nearly_silent_is_dated_by_its_timeline() -> None:
    observations = observe({"lif1": [fires(2e-4), flow(), faded(12, 60)], "loss": [loss(**STUCK)]})
    [finding] = findings(DeadLayer(), observations, "lif1")
    assert (finding.when, finding.observed.text.rpartition("; ")[2]) == (Moment(12), "0.05 at first")
    observations = observe({"lif1": [fires(2e-4), flow(), faded(0, 60)], "loss": [loss(**STUCK)]})
    [finding] = findings(DeadLayer(), observations, "lif1")
    assert finding.when is UNDATED, "the first forward pass tells"


@pytest.mark.parametrize(
    ("weight", "first", "code"),
    [
        pytest.param({"fc.weight": [parameter()]}, silent(), ["spikecheck.calibrate(model, x)"], id="silent"),
        pytest.param({}, silent(), [], id="no weight is known"),
        pytest.param({"fc.weight": [parameter()]}, spikes(), [], id="it fired at first"),
    ],
)
def test_where_no_threshold_is_known_the_fix_has_the_weights_calibrated(weight, first, code) -> None:
    places, start = {**weight, "lif1": [silent(), flow()]}, {"lif1": [first]}
    observations = observe(places, first=start, sites={"lif1": {"fed_by": "fc"}})
    (finding,) = findings(DeadLayer(), observations, "lif1")
    assert [fix.code.splitlines()[-1] for fix in finding.fixes] == code


REACHES = ", and its potential peaks at"
OUT_OF_REACH = SpikeArgument(rms=14.9, maximum=-14.8, threshold=0.0, offset=15.0)


@pytest.mark.parametrize(
    ("argument", "upstream", "message", "expected"),
    [
        pytest.param(OUT_OF_REACH, spikes(), f"{REACHES} 0.2, below its threshold of 15", 0.1, id="far"),
        pytest.param(
            replace(OUT_OF_REACH, maximum=-5.0),
            spikes(),
            f"{REACHES} 10, below its threshold of 15",
            None,
            id="not far",
        ),
        pytest.param(replace(OUT_OF_REACH, offset=None), spikes(), "", None, id="the potential is not known"),
        pytest.param(OUT_OF_REACH, silent(), "", None, id="it gets no spikes"),
    ],
)
def test_the_spike_function_shows_potential_and_threshold(argument, upstream, message, expected) -> None:
    places = {"lif1": [upstream, flow()], "lif2": [silent(), flow(argument=argument)]}
    observations = observe(places, sites={"lif2": {"framework": "torch", "neuron": neuron(v_threshold=0.0)}})
    (finding,) = findings(DeadLayer(), observations, "lif2")
    assert finding.message == f"lif2 is silent: 0 spikes in 400 time steps{message} (64 neurons)"
    assert finding.expected.numbers.get("threshold") == (None if expected is None else pytest.approx(expected))
