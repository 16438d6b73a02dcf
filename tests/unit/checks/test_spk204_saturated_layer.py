"""SPK204 saturated-layer: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk204_saturated_layer import SaturatedLayer
from spikecheck.readings import NonFinite
from spikecheck.timelines import SpikeTimelineReading, TimelinePoint
from tests.unit.checks.build import findings, flow, loss, observe, run, severity_of, spikes


def busy(saturated: int = 0, active: float = 0.5, **changed):
    """A layer of 64 neurons, so many of them saturated, with this share of active bins."""
    return spikes(saturated_neurons=saturated, active=round(active * 409_600), count=active * 409_600, **changed)


OVER, LIVE = run(), run(live=True)


@pytest.mark.parametrize(
    ("read", "when", "severity"),
    [
        pytest.param([busy(63, 0.99), flow()], OVER, "warning", id="a threshold below rest"),
        pytest.param([busy(32), flow()], OVER, "warning", id="half of the neurons"),
        pytest.param([busy(31), flow()], OVER, None, id="fewer than half"),
        pytest.param([busy(1, 0.7), flow()], OVER, "warning", id="neurons without a reset"),
        pytest.param([busy(1, 0.69), flow()], OVER, None, id="just below the limit"),
        pytest.param([busy(5, 0.47), flow()], OVER, None, id="a healthy network with a high rate"),
        pytest.param([busy(64, 1.0), flow(spikes_receive_gradient=False)], OVER, None, id="only the potential is read"),
        pytest.param(
            [busy(64, 1.0), flow(spikes_receive_gradient=None)],
            OVER,
            "note",
            id="the last layer, and no backward pass was observed",
        ),
        pytest.param([busy(64, 1.0, forward_passes=9), flow()], LIVE, None, id="it may calm down"),
        pytest.param([busy(64, 1.0, forward_passes=10), flow()], LIVE, "warning", id="it did not"),
        pytest.param([spikes(elements=0, neurons=0), flow()], OVER, None, id="nothing was counted"),
        pytest.param(
            [busy(64, 1.0, non_integer=81_920, values=tuple(n / 100 for n in range(16))), flow()],
            OVER,
            None,
            id="smooth values, which are no spikes",
        ),
    ],
)
def test_judge(read, when, severity) -> None:
    assert severity_of(SaturatedLayer(), observe({"lif1": read}, run=when), "lif1") == severity


@pytest.mark.parametrize(
    ("saturated", "level", "severity"),
    [
        pytest.param(3, 0.4, "note", id="busy, and much is learned"),
        pytest.param(3, 2.0, "warning", id="busy, and little is learned"),
        pytest.param(40, 0.4, "warning", id="saturated neurons carry nothing, however much is learned"),
    ],
)
def test_a_high_rate_alone_does_no_harm_where_much_is_learned(saturated, level, severity) -> None:
    observations = observe({"lif1": [busy(saturated, 0.74), flow()], "loss": [loss(first=3.0, recent_mean=level)]})
    assert severity_of(SaturatedLayer(), observations, "lif1") == severity


@pytest.mark.parametrize(("level", "severity"), [(0.4, "note"), (2.9, "warning")], ids=["learned", "not learned"])
def test_neurons_that_emit_several_spikes_tell_how_strong_their_input_is(level: float, severity: str) -> None:
    several = busy(60, 0.97, maximum=12.0, values=(0.0, 1.0, 2.0, 7.0))
    observations = observe({"lif1": [several, flow()], "loss": [loss(first=3.0, recent_mean=level)]})
    assert severity_of(SaturatedLayer(), observations, "lif1") == severity


@pytest.mark.parametrize(("maximum", "severity"), [(3.0, "note"), (1.0, "warning")])
def test_several_spikes_may_be_the_activations_of_a_converted_network(maximum, severity) -> None:
    values = (0.0, *(float(value) for value in range(1, int(maximum) + 1)))
    layer = [busy(64, 1.0, maximum=maximum, values=values), flow()]
    evaluation = observe({"lif1": layer}, run=run(backward_passes=0, without_gradients=True))
    assert severity_of(SaturatedLayer(), evaluation, "lif1") == severity


def test_the_message_gives_both_fractions() -> None:
    [finding] = findings(SaturatedLayer(), observe({"lif1": [busy(63, 0.99), flow()]}), "lif1")
    assert finding.message == "lif1 fires in 99% of its time steps; 63 of 64 neurons nearly always fire"


@pytest.mark.parametrize(("rate", "is_over"), [(0.96, False), (0.48, False), (0.47, True), (0.0, True)])
def test_it_is_over_once_the_latest_updates_have_half_of_the_spikes(rate, is_over) -> None:
    timeline = SpikeTimelineReading((TimelinePoint(9, 9, 1, rate),), NonFinite(0, 1))
    observations = observe({"lif1": [busy(64, 0.96), flow(), timeline]})
    [finding] = findings(SaturatedLayer(), observations, "lif1")
    readings = observations.readings(finding.site)
    assert SaturatedLayer().is_over(finding, readings, made_now=True) is is_over
