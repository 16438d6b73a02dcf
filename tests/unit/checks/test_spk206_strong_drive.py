"""SPK206 strong-drive: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk206_strong_drive import StrongDrive
from spikecheck.readings import NonFinite
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
    severity_of,
    spikes,
)


def layer(*read, weight=None, **known):
    places = {"fc1.weight": [weight or parameter()], "lif1": [spikes(), flow(), *read]}
    return observe(places, sites={"lif1": {"fed_by": "fc1", "neuron": neuron(**known)}})


def strong(rms: float, **changed):
    return drive(**{"rms": rms, "peak": 3 * rms, "maximum": 6 * rms, **changed})


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(layer(strong(0.5)), None, id="ordinary"),
        pytest.param(layer(strong(6.0)), None, id="the largest drive of a healthy network"),
        pytest.param(layer(strong(7.0)), "warning", id="exactly at the limit"),
        pytest.param(layer(strong(0.18), v_threshold=0.01), "warning", id="a low threshold"),
        pytest.param(layer(strong(45.0), v_threshold=30.0), None, id="a threshold that fits"),
        pytest.param(layer(strong(45.0), input_gain=0.05), None, id="the layer shrinks its input"),
        pytest.param(layer(strong(0.5), v_threshold=-0.5), "warning", id="a threshold below rest"),
        pytest.param(layer(strong(0.5), v_threshold=0.0), "warning", id="a threshold at rest"),
        pytest.param(layer(strong(45.0), v_threshold=None), None, id="the threshold is unknown"),
        pytest.param(layer(strong(45.0), flow(spikes_receive_gradient=False)), None, id="only the potential is read"),
        pytest.param(
            layer(strong(45.0), flow(spikes_receive_gradient=None)),
            "note",
            id="the last layer, and no backward pass was observed",
        ),
        pytest.param(layer(strong(25.0, mean=-25.0, maximum=-3.0, peak=-20.0)), None, id="a large negative bias"),
        pytest.param(layer(strong(float("inf"), non_finite=POISONED)), None, id="not finite"),
    ],
)
def test_judge(observations, severity) -> None:
    assert severity_of(StrongDrive(), observations, "lif1") == severity


@pytest.mark.parametrize(
    ("read", "level", "severity"),
    [
        pytest.param(spikes(maximum=40.0, values=(0.0, 1.0, 2.0, 5.0)), 3.2, "note", id="spikes that are counts"),
        pytest.param(spikes(maximum=40.0, values=(0.0, 1.0, 2.0, 5.0)), 8.0, "warning", id="a loss that suffers"),
        pytest.param(spikes(), 3.2, "warning", id="at most one spike"),
    ],
)
def test_neurons_with_several_spikes_pass_on_how_strong_their_input_is(read, level: float, severity: str) -> None:
    places = {"lif1": [strong(45.0), read, flow()], "loss": [loss(recent_mean=level)]}
    assert severity_of(StrongDrive(), observe(places), "lif1") == severity


def written(read, *, active: int, v_threshold: float):
    """A layer of 409,600 values that no library knows, with an attribute called threshold."""
    places = {"fc1.weight": [parameter()], "lif1": [spikes(active=active), flow(), read]}
    return observe(
        places, sites={"lif1": {"fed_by": "fc1", "framework": "torch", "neuron": neuron(v_threshold=v_threshold)}}
    )


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(written(strong(0.3), active=74_000, v_threshold=-0.4), None, id="a logit of the threshold"),
        pytest.param(written(strong(0.3), active=204_800, v_threshold=-0.4), "warning", id="it fires at rest"),
        pytest.param(written(strong(9.0), active=20_479, v_threshold=1.0), None, id="it hardly fires"),
        pytest.param(written(strong(9.0), active=20_480, v_threshold=1.0), "warning", id="it fires as it should"),
    ],
)
def test_a_hand_written_threshold_is_believed_where_the_spikes_agree(observations, severity) -> None:
    assert severity_of(StrongDrive(), observations, "lif1") == severity


@pytest.mark.parametrize(
    ("observations", "because"),
    [
        (layer(strong(45.0)), "so the threshold is too low, or the input to these weights is too large"),
        (layer(strong(45.0), weight=parameter(scale=26.5)), "are large (RMS * sqrt(fan-in) = 26"),
        (layer(strong(0.5), v_threshold=-0.5), "not below this threshold"),
    ],
)
def test_it_says_which_of_the_numbers_is_wrong(observations, because) -> None:
    [finding] = findings(StrongDrive(), observations, "lif1")
    assert because in finding.expected.because


def test_the_message_compares_the_drive_with_the_threshold() -> None:
    [finding] = findings(StrongDrive(), layer(strong(0.18), v_threshold=0.01), "lif1")
    assert finding.message == "input current to lif1 is 18x its threshold per time step (RMS)"


@pytest.mark.parametrize(
    ("threshold", "consequence"),
    [(-0.5, "so its neurons fire without input"), (0.0, "so any positive potential makes its neurons fire")],
)
def test_the_message_says_what_a_threshold_that_is_not_positive_does(threshold: float, consequence: str) -> None:
    [finding] = findings(StrongDrive(), layer(strong(0.5), v_threshold=threshold), "lif1")
    assert finding.message.endswith(consequence)


def test_the_fix_proposes_a_threshold_that_fits_the_drive() -> None:
    [finding] = findings(StrongDrive(), layer(strong(0.18), v_threshold=0.01), "lif1")
    assert "model.lif1.threshold = 0.18" in finding.fix


@pytest.mark.parametrize(("gain", "explains"), [(100.0, True), (1.0, False), (0.5, False)])
def test_a_faulty_decay_explains_it_where_the_layer_enlarges_its_input(gain: float, explains: bool) -> None:
    [finding] = findings(StrongDrive(), layer(strong(45.0), input_gain=gain), "lif1")
    assert ("SPK207" in finding.explained_by) is explains


@pytest.mark.parametrize(("rate", "fires"), [(0.6, True), (0.4, False)])
def test_a_learned_threshold_is_judged_by_the_spikes_of_the_latest_updates(rate: float, fires: bool) -> None:
    timeline = SpikeTimelineReading((TimelinePoint(9, 9, 1, rate),), NonFinite(0, 1))
    places = {"lif1": [drive(), spikes(), flow(), timeline]}
    sites = {"lif1": {"framework": None, "neuron": neuron(v_threshold=-0.5, reset=None)}}
    assert bool(findings(StrongDrive(), observe(places, sites=sites), "lif1")) is fires
