"""SPK406 weight-scale: a table of numbers, no model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spikecheck.checks.spk406_weight_scale import WeightScale
from spikecheck.finding import Finding
from spikecheck.readings import ParameterReading, SpikeReading, UpdateReading
from spikecheck.site import SpikeArgument
from tests.unit.checks.build import (
    drive,
    findings,
    flow,
    gradient,
    loss,
    mode,
    neuron,
    observe,
    parameter,
    run,
    severity_of,
    spikes,
    update,
)

SILENT = spikes(count=0.0, active=0, maximum=0.0, values=(0.0,))
DRIVEN, ORDINARY = drive(rms=8.2, peak=25.0, maximum=43.0), drive()


def net(weight, current, spike=None, upstream=None, read=True, name="fc2.weight", **known):
    places = {
        "lif1": [upstream or spikes()],
        name: [weight],
        "lif2": [current, spike or spikes(), flow(spikes_receive_gradient=read)],
    }
    return observe(places, sites={"lif2": {"fed_by": "fc2", "neuron": neuron(**known)}})


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(net(parameter(), ORDINARY), None, id="torch's default"),
        pytest.param(net(parameter(scale=26.5), DRIVEN), "warning", id="N(0, 1)"),
        pytest.param(net(parameter(scale=26.5, dimensions=4), DRIVEN), "warning", id="a convolution"),
        pytest.param(net(parameter(scale=26.5), DRIVEN, v_threshold=30.0), None, id="a threshold that takes it back"),
        pytest.param(net(parameter(scale=3.7), DRIVEN), None, id="the largest scale of a healthy network"),
        pytest.param(net(parameter(scale=4.99), DRIVEN), None, id="just below the limit"),
        pytest.param(net(parameter(scale=5.01), DRIVEN), "warning", id="just above it"),
        pytest.param(net(parameter(scale=26.5), ORDINARY), None, id="a normalization takes it back"),
        pytest.param(net(parameter(scale=0.03), ORDINARY, SILENT), "warning", id="tiny, and the layer is silent"),
        pytest.param(net(parameter(scale=0.0), ORDINARY, SILENT), "warning", id="all zero"),
        pytest.param(net(parameter(scale=0.03), ORDINARY), None, id="tiny, and the layer fires"),
        pytest.param(net(parameter(scale=0.03), ORDINARY, SILENT, SILENT), None, id="the layer above is silent"),
        pytest.param(net(parameter(scale=26.5), DRIVEN, read=False), None, id="the potential is read out"),
        pytest.param(net(parameter(scale=26.5, dimensions=1), DRIVEN), None, id="one axis: a normalization's factor"),
        pytest.param(net(parameter(scale=float("nan")), DRIVEN), None, id="not a number"),
    ],
)
def test_judge(observations, severity) -> None:
    assert severity_of(WeightScale(), observations, "fc2.weight") == severity


def test_a_layer_that_makes_its_current_inside_is_left_silent_by_tiny_weights() -> None:
    for scale, severity in ((0.03, "warning"), (0.6, None), (26.5, None)):  # what large ones do is not known
        places = {"lif2.fc.weight": [parameter(scale=scale)], "lif2": [SILENT, flow(spikes_receive_gradient=True)]}
        observations = observe(places, sites={"lif2": {"fed_by": "lif2.fc", "neuron": neuron()}})
        assert severity_of(WeightScale(), observations, "lif2.fc.weight") == severity


def inside(scale: float, rms: float, *, last_loss: float = 3.0, **known):
    """A hand-written layer of 20 time steps that makes its current inside, whose potential has this RMS."""
    argument = SpikeArgument(rms=rms, maximum=2 * rms, threshold=0.0)
    places = {
        "lif2.fc.weight": [parameter(scale=scale)],
        "lif2": [spikes(), flow(spikes_receive_gradient=True, decay=0.5, argument=argument)],
        "loss": [loss(first=3.0, recent_mean=last_loss, recent_deviation=0.0, recent_slope=0.0)],
    }
    return observe(places, sites={"lif2": {"fed_by": "lif2.fc", "neuron": neuron(**known)}})


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(inside(26.5, 11.1), "warning", id="at 11 thresholds with a decay of 0.5, one step adds 5"),
        pytest.param(inside(26.5, 10.9), None, id="a little less"),
        pytest.param(inside(4.9, 1000.0), None, id="weights of a healthy scale"),
        pytest.param(inside(26.5, 20.0, v_threshold=20.0), None, id="a threshold that takes it back"),
        pytest.param(inside(176.0, 11.1, v_threshold=0.0), "warning", id="an unknown threshold counts as 1"),
        pytest.param(inside(49.0, 11.1, v_threshold=0.0), None, id="it may be in millivolts"),
        pytest.param(inside(176.0, 11.1, v_threshold=0.0, last_loss=0.5), None, id="or in other units: it learns"),
    ],
)
def test_a_layer_that_makes_its_current_inside_shows_by_its_potential_what_large_weights_do(observations, severity):
    assert severity_of(WeightScale(), observations, "lif2.fc.weight") == severity


def test_a_finding_inside_a_layer_gives_the_least_drive() -> None:
    (finding,) = findings(WeightScale(), inside(26.5, 21.0), "lif2.fc.weight")
    assert finding.observed.text.endswith("which drives lif2 at 10x its threshold per time step or more (RMS)")
    (finding,) = findings(WeightScale(), inside(176.0, 1243.0, v_threshold=0.0), "lif2.fc.weight")
    assert finding.observed.text.endswith("which gives the spike function of lif2 values of 1,240 (RMS)")


def test_a_weight_that_is_computed_from_others_is_judged_by_these() -> None:
    name = "fc2.parametrizations.weight.original0"
    assert severity_of(WeightScale(), net(parameter(scale=26.5), DRIVEN, name=name), name) == "warning"


def test_a_weight_that_feeds_no_layer_is_left_alone() -> None:
    observations = net(parameter(scale=26.5), DRIVEN, name="readout.weight")
    assert severity_of(WeightScale(), observations, "readout.weight") is None


@pytest.mark.parametrize(("scale", "severity"), [(0.03, None), (0.0, "warning")])
def test_a_normalization_between_weight_and_layer_undoes_the_scale(scale, severity) -> None:
    places = {
        "lif1": [spikes()],
        "fc2.weight": [parameter(scale=scale, elements=32 * 64, fan_in=64)],
        "bn2": [mode()],
        "bn2.weight": [parameter(rms=1.0, elements=32, fan_in=1, dimensions=1)],
        "lif2": [drive(), SILENT, flow()],
    }
    observations = observe(places, sites={"lif2": {"fed_by": "fc2", "neuron": neuron(v_threshold=15.0)}})
    assert severity_of(WeightScale(), observations, "fc2.weight") == severity


def test_tiny_weights_are_found_only_when_the_layer_has_had_time_to_wake_up() -> None:
    for forward_passes, severity in ((9, None), (10, "warning")):
        early = replace(
            net(parameter(scale=0.03), ORDINARY, replace(SILENT, forward_passes=forward_passes)), run=run(live=True)
        )
        assert severity_of(WeightScale(), early, "fc2.weight") == severity


def test_a_finding_gives_the_effect_of_the_scale_and_an_initializer() -> None:
    [finding] = findings(WeightScale(), net(parameter(scale=26.5, fan_in=700), DRIVEN), "fc2.weight")
    assert finding.message == "fc2.weight has a scale of 26.5; standard initializers give 0.6 to 1.4"
    assert (
        "RMS 1 * sqrt(fan-in 700) = 26.5, which drives lif2 at 8.2x its threshold per time step (RMS)"
        in finding.observed.text
    )
    assert "torch.nn.init.kaiming_uniform_(model.fc2.weight" in finding.fix


def recurrent(scale: float, *, rate: float = 0.25, v_threshold: float = 1.0, elements: int = 64 * 64, fan_in: int = 64):
    """A layer of 64 neurons with a weight inside of it."""
    layer = spikes(count=rate * SILENT.elements, active=int(rate * SILENT.elements))
    weight = parameter(scale=scale, elements=elements, fan_in=fan_in)
    known = {"neuron": neuron(v_threshold=v_threshold)}
    return observe({"rnn": [drive(), layer], "rnn.rec.weight": [weight]}, sites={"rnn": known})


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(recurrent(8.0), "warning", id="N(0, 1) among 64 neurons"),
        pytest.param(recurrent(8.0, rate=0.0625), "warning", id="2 thresholds per step, at the limit"),
        pytest.param(recurrent(8.0, rate=0.06), None, id="a layer too quiet to drive itself"),
        pytest.param(recurrent(5.0, rate=1.0), None, id="a scale at the limit"),
        pytest.param(recurrent(8.0, v_threshold=3.0), None, id="a threshold that takes it back"),
        pytest.param(recurrent(8.0, v_threshold=0.0), None, id="a threshold of 0: another check's"),
        pytest.param(recurrent(8.0, elements=64 * 30, fan_in=30), None, id="inside, and not recurrent"),
    ],
)
def test_a_recurrent_weight_by_which_a_layer_drives_itself(observations, severity) -> None:
    assert severity_of(WeightScale(), observations, "rnn.rec.weight") == severity


def test_a_finding_gives_the_drive_of_a_layer_by_itself() -> None:
    (finding,) = findings(WeightScale(), recurrent(8.0), "rnn.rec.weight")
    assert finding.observed.text.endswith("which lets rnn drive itself at 4x its threshold per time step (RMS)")


def test_a_weight_of_another_layer_is_left_alone() -> None:
    observations = recurrent(8.0)
    sites = tuple(replace(site, name="rn") if site.name == "rnn" else site for site in observations.sites)
    assert severity_of(WeightScale(), replace(observations, sites=sites), "rnn.rec.weight") is None


def with_updates(scale_at_first: float, learning_rate: float | None) -> list[Finding]:
    """Return the findings at a weight of scale 26.5 now, after updates with a learning rate."""
    before = net(parameter(scale=26.5), DRIVEN)
    first = {"fc2.weight": {ParameterReading: parameter(scale=scale_at_first)}}
    updates = {
        "fc2.weight": {**before.windows["all"]["fc2.weight"], UpdateReading: update(learning_rate=learning_rate)}
    }
    windows = {
        **before.windows,
        "first": before.windows["first"] | first,
        "all": before.windows["all"] | updates,
    }
    return findings(WeightScale(), replace(before, windows=windows), "fc2.weight")


@pytest.mark.parametrize(
    ("learning_rate", "fixed", "than"),
    [
        pytest.param(1.0, "lr=0.001", "than 1\n", id="far too high"),
        pytest.param(1e-3, "lr=0.0001", "than 0.001\n", id="as usual, and still too high for this network"),
        pytest.param(None, "lr=0.001", "rate\n", id="not known"),
    ],
)
def test_weights_that_the_updates_made_large_need_a_lower_learning_rate(learning_rate, fixed: str, than: str) -> None:
    (finding,) = with_updates(0.58, learning_rate)
    assert finding.message == "fc2.weight has a scale of 26.5; it was 0.58 before the first update"
    assert fixed in finding.fix
    assert than in finding.fix
    assert "torch.nn.init" not in finding.fix


def test_weights_that_were_large_before_the_first_update_need_another_initialization() -> None:
    (finding,) = with_updates(26.0, 1.0)
    assert "torch.nn.init" in finding.fix


def test_a_network_that_is_only_evaluated_keeps_its_weights() -> None:
    """New ones would wipe out what it has learned elsewhere."""
    observed = net(parameter(scale=26.5), DRIVEN)
    evaluated = replace(observed, run=run(backward_passes=0, without_gradients=True))
    [finding] = findings(WeightScale(), evaluated, "fc2.weight")
    assert finding.fix.splitlines()[-1] == "model.fc2.weight.data /= 26.0"
    assert "torch.nn.init" in findings(WeightScale(), observed, "fc2.weight")[0].fix


@pytest.mark.parametrize(
    ("first", "severity"), [(SILENT, None), (spikes(), "warning")], ids=["silent before", "silenced by the updates"]
)
def test_weights_that_the_updates_made_tiny_did_not_silence_a_layer_that_never_fired(first, severity) -> None:
    now = net(parameter(scale=0.03), ORDINARY, SILENT)
    at_first = {"fc2.weight": {ParameterReading: parameter(scale=0.6)}, "lif2": {SpikeReading: first}}
    observations = replace(now, windows={**now.windows, "first": {**now.windows["first"], **at_first}})
    assert severity_of(WeightScale(), observations, "fc2.weight") == severity


def without_modules(rms: float, *, weight: str = "v", level: float = 3.0, reset_value: float | None = -1.0):
    """A layer that is a call, with a recurrent weight of scale 8; it fires in a quarter of the time steps."""
    argument = SpikeArgument(rms=rms, maximum=2 * rms, threshold=0.0, reset_value=reset_value)
    places = {
        "net.py:9 spike": [
            spikes(count=0.25 * SILENT.elements),
            flow(decay=0.5, argument=argument, recurrent_weight="v"),
        ],
        weight: [parameter(scale=8.0, elements=64 * 64, fan_in=64)],
        "loss": [loss(first=3.0, recent_mean=level, recent_deviation=0.0, recent_slope=0.0)],
    }
    return observe(places, sites={"net.py:9 spike": {"neuron": neuron(v_threshold=0.0)}})


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(without_modules(3.1), "warning", id="the potential shows it"),
        pytest.param(without_modules(2.9), None, id="it shows less"),
        pytest.param(without_modules(3.1, reset_value=-2.5), None, id="after a reset, the threshold is further away"),
        pytest.param(without_modules(3.1, reset_value=None), None, id="the threshold is not known"),
        pytest.param(without_modules(3.1, level=0.5), None, id="it learns"),
    ],
)
def test_a_recurrent_weight_of_code_without_modules(observations, severity) -> None:
    assert severity_of(WeightScale(), observations, "v") == severity


def test_a_weight_that_the_graph_does_not_show_as_recurrent_is_left_alone() -> None:
    assert severity_of(WeightScale(), without_modules(3.1, weight="w"), "w") is None


@pytest.mark.parametrize(
    ("first_scale", "value", "fed_by", "severity"),
    [
        pytest.param(17.0, loss(first=14.0, recent_mean=3.0), "fc1", "warning", id="large logits from the start"),
        pytest.param(17.0, loss(first=14.0, recent_mean=0.4), "fc1", None, id="learned all the same"),
        pytest.param(17.0, loss(first=4.0, recent_mean=3.0), "fc1", None, id="a first loss that is not high"),
        pytest.param(0.6, loss(first=14.0, recent_mean=3.0), "fc1", None, id="large since an update: another reason"),
        pytest.param(
            17.0, loss(first=14.0, recent_mean=3.0), "readout", None, id="it feeds a layer, which is not driven"
        ),
    ],
)
def test_the_weight_that_makes_the_logits(first_scale, value, fed_by, severity) -> None:
    now = {"lif1": [spikes(), drive()], "readout.weight": [parameter(scale=17.0), gradient()], "loss": [value]}
    first = {"readout.weight": [parameter(scale=first_scale)]}
    observations = observe(now, first=first, sites={"lif1": {"fed_by": fed_by}})
    assert severity_of(WeightScale(), observations, "readout.weight") == severity
