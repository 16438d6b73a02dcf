"""SPK207 faulty-decay: a table of numbers, no model."""

from __future__ import annotations

from math import exp

import pytest

from spikecheck.checks.spk207_faulty_decay import FaultyDecay
from spikecheck.neuron import ReplacedParameter
from spikecheck.site import Moment
from spikecheck.state_readings import StepLawReading
from tests.unit.checks.build import findings, flow, loss, modules, neuron, observe, potential, severity_of, spikes


def layer(library="snntorch", most=9.0, **known):
    """One layer, 20 time steps per forward pass."""
    sites = {"lif1": {"framework": library, "neuron": neuron(**known)}}
    return modules(observe({"lif1": [spikes(max_count=most)]}, sites=sites))


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(layer(), None, id="ordinary"),
        pytest.param(layer(decay=1.0), None, id="no leak"),
        pytest.param(layer(decay=-0.1), "warning", id="below 0"),
        pytest.param(layer(decay=1.01), "warning", id="above 1"),
        pytest.param(layer("torch", decay=1.65), None, id="hand-written, and no neuron keeps firing"),
        pytest.param(layer("torch", most=10.0, decay=1.65), "warning", id="hand-written, and one neuron keeps firing"),
        pytest.param(layer(decay=0.009), "warning", id="no memory"),
        pytest.param(layer(decay=0.01), None, id="exactly at the limit"),
        pytest.param(layer(decay=0.9998, input_gain=0.0002), "warning", id="the input is scaled to almost nothing"),
        pytest.param(layer(decay=0.95, input_gain=0.05), None, id="a normalized input"),
        pytest.param(layer(decay=None), None, id="unknown"),
        pytest.param(layer(decay=exp(-1 / 1999)), None, id="a long memory"),
        pytest.param(layer(decay=exp(-1 / 2001)), "note", id="a hundred times as long as a forward pass"),
        pytest.param(
            layer(decay=1.0, replaced_parameters=(ReplacedParameter("beta", 8.0, 1.0),)), "warning", id="clamped to 1"
        ),
        pytest.param(
            layer(decay=0.0, replaced_parameters=(ReplacedParameter("beta", -0.2, 0.0),)), "warning", id="clamped to 0"
        ),
        pytest.param(
            layer(decay=1.0, replaced_parameters=(ReplacedParameter("beta", 1.5, 1.0, True),)),
            "note",
            id="learned, drifted",
        ),
        pytest.param(
            layer(decay=1.0, replaced_parameters=(ReplacedParameter("beta", 1.51, 1.0, True),)),
            "warning",
            id="learned, too far to be a drift",
        ),
        pytest.param(
            layer(replaced_parameters=(ReplacedParameter("alpha", 5.0, 1.0),)),
            "warning",
            id="the synapse's decay clamped",
        ),
    ],
)
def test_judge(observations, severity) -> None:
    assert severity_of(FaultyDecay(), observations, "lif1") == severity


def test_the_message_names_the_value_set_and_the_value_used() -> None:
    """A time constant observations as a decay is named, with the decay that was meant."""
    (finding,) = findings(
        FaultyDecay(), layer(decay=1.0, replaced_parameters=(ReplacedParameter("beta", 8.0, 1.0),)), "lif1"
    )
    assert finding.message == "lif1 is set to beta = 8, but snntorch uses 1"
    assert finding.expected.because.endswith("a time constant of 8 steps is a decay of exp(-1 / 8) = 0.882")


@pytest.mark.parametrize(
    ("lost", "decay", "severity"),
    [
        pytest.param(loss(first=3.0, recent_mean=1.0), 0.005, "note", id="it learns without memory"),
        pytest.param(loss(first=3.0, recent_mean=3.0, recent_slope=0.0), 0.005, "warning", id="nothing is learned"),
        pytest.param(loss(first=3.0, recent_mean=1.0), 1.2, "warning", id="a potential that grows is no choice"),
    ],
)
def test_no_memory_is_a_note_where_the_network_learns(lost, decay, severity) -> None:
    sites = {"lif1": {"framework": "snntorch", "neuron": neuron(decay=decay)}}
    observations = modules(observe({"lif1": [spikes()], "loss": [lost]}, sites=sites))
    assert severity_of(FaultyDecay(), observations, "lif1") == severity


def test_an_empty_batch_says_nothing_about_a_decay_that_is_not_known() -> None:
    sites = {"lif1": {"framework": "torch", "neuron": neuron(decay=None)}}
    empty = spikes(time_steps=0, elements=0, samples=0, count=0.0, active=0)
    assert severity_of(FaultyDecay(), modules(observe({"lif1": [empty]}, sites=sites)), "lif1") is None


@pytest.mark.parametrize(
    ("shown", "known", "severity"),
    [
        pytest.param(0.9, None, None, id="ordinary"),
        pytest.param(0.9, 1.65, None, id="an attribute that means something else"),
        pytest.param(1.25, 0.8, "warning", id="it grows: 1.25 to the power of 20 is 87"),
        pytest.param(1.01, None, None, id="it hardly grows"),
        pytest.param(0.0, 0.9, "warning", id="nothing is left"),
        pytest.param(-0.5, None, "warning", id="the sign changes"),
    ],
)
def test_a_decay_that_the_graph_shows_counts_for_more_than_an_attribute(shown, known, severity) -> None:
    sites = {"lif1": {"framework": "torch", "neuron": neuron(decay=known)}}
    observations = observe({"lif1": [spikes(max_count=2.0), flow(decay=shown)]}, sites=sites)
    assert severity_of(FaultyDecay(), modules(observations), "lif1") == severity


def measured(decay=0.9, library="torch", passes=3, known=0.9):
    """A layer whose decay was measured, in forward passes of 20 time steps."""
    sites = {"lif1": {"framework": library, "neuron": neuron(decay=known)}}
    places = {"lif1": [spikes(max_count=10.0), StepLawReading(20, passes, decay)]}
    return modules(observe(places, sites=sites))


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(measured(), None, id="ordinary"),
        pytest.param(measured(1.13, known=None), "warning", id="1.13 to the power of 20 is 11.5"),
        pytest.param(measured(1.12, known=None), None, id="1.12 to the power of 20 is 9.6"),
        pytest.param(measured(1.13, known=None, passes=2), None, id="in too few forward passes"),
        pytest.param(measured(0.8, known=1.65), None, id="an attribute that means something else"),
        pytest.param(measured(0.0, known=None), None, id="no memory, which another check finds"),
    ],
)
def test_a_measured_decay_counts_for_more_than_an_attribute(observations, severity) -> None:
    assert severity_of(FaultyDecay(), observations, "lif1") == severity


def test_the_measured_decay_is_named_and_dated_from_the_first_forward_pass() -> None:
    [finding] = findings(FaultyDecay(), measured(1.2, known=None), "lif1")
    assert finding.message == "lif1 multiplies its potential by 1.2 and its input by 1 per time step"
    assert finding.when == Moment(0)


@pytest.mark.parametrize(("level", "severity"), [(2.5, "note"), (3.0, "warning")], ids=["learns", "learns nothing"])
def test_a_potential_that_never_leaks_is_a_warning_where_nothing_is_learned(level, severity) -> None:
    sites = {"lif1": {"framework": "sinabs", "neuron": neuron(decay=exp(-1 / 5000))}}
    places = {"lif1": [spikes()], "loss": [loss(updates=100, recent_mean=level, trace=())]}
    assert severity_of(FaultyDecay(), modules(observe(places, sites=sites)), "lif1") == severity


def test_of_a_single_time_step_no_leak_is_asked() -> None:
    """A layer that loops over time itself, and returns spike counts, shows one step per forward pass."""
    one_step = {"time_steps": 20, "forward_passes": 20}
    sites = {"lif1": {"framework": "torch", "neuron": neuron(decay=exp(-1 / 2001))}}
    assert severity_of(FaultyDecay(), modules(observe({"lif1": [spikes(**one_step)]}, sites=sites)), "lif1") is None


def test_a_decay_attribute_of_a_hand_written_layer_is_believed_once_it_was_measured() -> None:
    sites = {"lif1": {"framework": "torch", "neuron": neuron(decay=0.0)}}
    attribute_only = observe({"lif1": [spikes(max_count=2.0)]}, sites=sites)
    measured = observe({"lif1": [spikes(max_count=2.0), flow(decay=0.0)]}, sites=sites)
    assert severity_of(FaultyDecay(), modules(attribute_only), "lif1") is None
    assert severity_of(FaultyDecay(), modules(measured), "lif1") == "warning"


@pytest.mark.parametrize(
    ("peak", "explains"),
    [
        pytest.param(0.2, True, id="added up over 20 time steps, it would reach the threshold"),
        pytest.param(0.01, False, id="it is too small for that"),
    ],
)
def test_a_lack_of_memory_explains_a_silent_layer_whose_input_would_add_up(peak, explains) -> None:
    sites = {"lif1": {"framework": "snntorch", "neuron": neuron(decay=0.005)}}
    places = {"lif1": [spikes(count=0.0, active=0, maximum=0.0), potential(maximum=peak)]}
    (finding,) = findings(FaultyDecay(), modules(observe(places, sites=sites)), "lif1")
    assert finding.explains_others is explains


@pytest.mark.parametrize(
    ("value", "explains"),
    [
        pytest.param(loss(first=3.0, recent_mean=3.0, recent_slope=0.0), True, id="nothing is learned"),
        pytest.param(loss(), False, id="learned with few spikes"),
    ],
)
def test_a_lack_of_memory_explains_a_layer_that_emits_single_spikes(value, explains) -> None:
    sites = {"lif1": {"framework": "snntorch", "neuron": neuron(decay=0.005)}}
    few = spikes(count=0.0002 * spikes().elements, active=82)
    observations = observe({"lif1": [few, potential(maximum=0.2)], "loss": [value]}, sites=sites)
    (finding,) = findings(FaultyDecay(), modules(observations), "lif1")
    assert finding.explains_others is explains


def test_a_time_constant_in_the_wrong_unit_is_no_note_where_the_layer_is_silent() -> None:
    sites = {"lif1": {"framework": "torch", "neuron": neuron(decay=None)}}
    shown = flow(decay=exp(-1 / 11_400))  # as the graph shows it
    for read, severity in ((spikes(), "note"), (spikes(count=0.0, active=0), "warning")):
        observations = modules(observe({"lif1": [read, shown]}, sites=sites))
        assert severity_of(FaultyDecay(), observations, "lif1") == severity
