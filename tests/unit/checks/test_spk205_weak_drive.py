"""SPK205 weak-drive: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk205_weak_drive import WeakDrive
from spikecheck.readings import NonFinite
from spikecheck.timelines import SpikeTimelineReading, TimelinePoint
from tests.unit.checks.build import (
    POISONED,
    drive,
    findings,
    flow,
    mode,
    neuron,
    observe,
    parameter,
    potential,
    run,
    severity_of,
    spikes,
    state,
)

SILENT = spikes(count=0.0, active=0, maximum=0.0, values=(0.0,), silent_neurons=64)
WEAK = drive(rms=0.05, maximum=0.2)  # 0.05 in each of 20 steps, with a decay of 0.9: 0.44

SHORT = drive(rms=0.05, maximum=0.2, time_steps=40, forward_passes=10)  # 4 steps; with a decay of 0.9, 9.5 are one tau


def layer(*read, upstream=None, when=None, weight=None, **known):
    """A silent layer fed by fc2, with a live one before it."""
    fed = [weight or parameter()]
    places = {"lif1": [upstream or spikes()], "fc2.weight": fed, "lif2": [SILENT, flow(), *read]}
    return observe(places, sites={"lif2": {"fed_by": "fc2", "neuron": neuron(**known)}}, run=when or run())


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(layer(WEAK), "error", id="the sum of the steps stays below the threshold"),
        pytest.param(layer(WEAK, v_threshold=0.43), None, id="the sum of the steps reaches it"),
        pytest.param(layer(WEAK, decay=1.0), None, id="without leak, 20 steps are just enough"),
        pytest.param(
            layer(WEAK, decay=1.0, input_gain=0.9), "error", id="and a factor on the input makes them fall short"
        ),
        pytest.param(
            layer(WEAK, potential(maximum=0.99)),
            "error",
            id="all potentials were observed, and none reaches the threshold",
        ),
        pytest.param(
            layer(WEAK, potential(maximum=1.5)), None, id="potentials above the threshold: the spikes are wrong"
        ),
        pytest.param(layer(WEAK, potential(maximum=0.7)), "error", id="only the last potentials were observed"),
        pytest.param(
            layer(drive(), potential(maximum=0.7)),
            "error",
            id="the last potentials count, whatever the drive",
        ),
        pytest.param(layer(WEAK, decay=None), None, id="the decay is unknown"),
        pytest.param(layer(WEAK, v_threshold=None), None, id="the threshold is unknown"),
        pytest.param(layer(WEAK, tau_syn=20.0), None, id="a slow synapse adds the steps up"),
        pytest.param(layer(WEAK, upstream=SILENT), None, id="the layer before is silent"),
        pytest.param(layer(WEAK, spikes()), None, id="it fires"),
        pytest.param(layer(WEAK, flow(spikes_receive_gradient=False)), None, id="only the potential is read"),
        pytest.param(
            layer(WEAK, flow(spikes_receive_gradient=None)),
            "note",
            id="the last layer, and no backward pass was observed",
        ),
        pytest.param(
            layer(WEAK, state(carried_sequences=20), decay=0.97),
            None,
            id="state is carried on: the potential adds up for longer",
        ),
        pytest.param(
            layer(WEAK, decay=0.97, when=run(called_per_time_step=True)),
            None,
            id="called once per step: it adds up here, too",
        ),
        pytest.param(layer(WEAK, decay=0.97), "error", id="20 steps of the same"),
        pytest.param(layer(drive(rms=0.05, maximum=0.2, non_finite=POISONED)), None, id="not finite"),
        pytest.param(layer(drive(rms=25.0, mean=-25.0, maximum=-3.0)), "error", id="a negative bias"),
    ],
)
def test_judge(observations, severity) -> None:
    assert severity_of(WeakDrive(), observations, "lif2") == severity


def test_training_goes_on_and_the_layer_may_wake_up() -> None:
    for forward_passes, severity in ((9, None), (10, "error")):
        observations = layer(WEAK, spikes(count=0.0, active=0, forward_passes=forward_passes), when=run(live=True))
        assert severity_of(WeakDrive(), observations, "lif2") == severity


@pytest.mark.parametrize(
    ("observations", "because"),
    [
        (layer(WEAK), "ordinary scale (RMS * sqrt(fan-in) = 0.58), so the threshold is too high"),
        (layer(WEAK, weight=parameter(scale=0.03)), "tiny (RMS * sqrt(fan-in) = 0.03"),
        (layer(WEAK, weight=parameter(scale=16.0)), "large (RMS * sqrt(fan-in) = 16"),
        (layer(WEAK, input_gain=0.05), "the layer multiplies its input by only 0.05"),
        (layer(drive(rms=25.0, mean=-25.0, maximum=-3.0)), "no input current was above 0 (mean -25)"),
        (
            layer(SHORT, potential(maximum=0.52)),
            "34% of its steady-state value; it would reach the threshold after 11 time steps",
        ),
        (layer(SHORT, potential(maximum=0.3)), "so the threshold is too high"),  # 0.87 after any number of steps
        (layer(SHORT, potential(maximum=0.52), weight=parameter(scale=0.03)), "tiny"),
        (layer(SHORT, potential(maximum=0.52), when=run(called_per_time_step=True)), "so the threshold is too high"),
    ],
)
def test_it_says_which_of_the_numbers_is_wrong(observations, because) -> None:
    [finding] = findings(WeakDrive(), observations, "lif2")
    assert because in finding.expected.because


def test_behind_a_normalization_the_threshold_is_at_fault_and_not_the_weights() -> None:
    places = {
        "lif1": [spikes()],
        "fc2.weight": [parameter(scale=0.09, elements=32 * 64, fan_in=64)],
        "bn2": [mode()],
        "bn2.weight": [parameter(rms=1.0, elements=32, fan_in=1, dimensions=1)],
        "lif2": [SILENT, flow(), drive(maximum=3.8), potential(maximum=3.6)],
    }
    sites = {"lif2": {"fed_by": "fc2", "neuron": neuron(v_threshold=15.0)}}
    [finding] = findings(WeakDrive(), observe(places, sites=sites), "lif2")
    assert finding.expected.because == "a normalization sets the scale of the input, so the threshold is too high"


def test_a_layer_that_scales_its_input_by_one_minus_its_decay_needs_more_time_steps() -> None:
    """With a synaptic current of 4.5 time steps as well, the potential is at 15% of its steady-state value by then."""
    short = layer(SHORT, potential(maximum=0.52), input_gain=0.1, tau_syn=4.5)
    [finding] = findings(WeakDrive(), short, "lif2")
    assert "15% of its steady-state value; it would reach the threshold after 7 time steps" in finding.expected.because
    assert finding.fix.startswith("# 7 time steps or more, in place of 4; or else:\n# half of the highest potential")


def test_the_date_does_not_depend_on_a_layer_before_that_has_woken_up() -> None:
    observations = observe(
        {"lif1": [spikes()], "lif2": [SILENT, WEAK]},
        first={"lif1": [SILENT], "lif2": [SILENT, WEAK]},
    )
    site = next(s for s in observations.sites if s.name == "lif2" and s.kind in WeakDrive.sites)
    assert list(WeakDrive().judge(site, observations.readings(site, "first")))


def test_the_message_compares_the_peak_with_the_threshold() -> None:
    [finding] = findings(WeakDrive(), layer(WEAK), "lif2")
    assert finding.message == "lif2 is silent: its potential peaks at 0.439, below its threshold of 1"


def test_only_tiny_weights_explain_it() -> None:
    [tiny] = findings(WeakDrive(), layer(WEAK, weight=parameter(scale=0.03)), "lif2")
    [large] = findings(WeakDrive(), layer(WEAK, weight=parameter(scale=16.0)), "lif2")
    assert set(tiny.explained_by) - set(large.explained_by) == {"SPK406"}


def test_the_fix_proposes_a_threshold_within_reach() -> None:
    [observed] = findings(WeakDrive(), layer(WEAK, potential(maximum=0.8)), "lif2")
    [held_down] = findings(WeakDrive(), layer(drive(rms=25.0, mean=-25.0, maximum=-3.0)), "lif2")
    assert "model.lif2.threshold = 0.4" in observed.fix
    assert "torch.nn.init.kaiming_uniform_(model.fc2.weight, a=5**0.5)" in held_down.fix


def fires_now(rate: float) -> SpikeTimelineReading:
    return SpikeTimelineReading((TimelinePoint(0, 0, 1, 0.0), TimelinePoint(9, 9, 1, rate)), NonFinite(0, 1))


@pytest.mark.parametrize(("rate", "is_over"), [(0.0, False), (1e-6, True)])
def test_a_spike_in_the_latest_updates_ends_it(rate, is_over) -> None:
    silent = spikes(count=0.0, active=0)
    before = observe({"lif1": [drive(rms=0.05, maximum=0.2), silent, flow()]})
    [finding] = findings(WeakDrive(), before, "lif1")
    now = observe({"lif1": [drive(rms=0.05, maximum=0.2), silent, flow(), fires_now(rate)]})
    made = findings(WeakDrive(), now, "lif1")
    assert bool(made) is not is_over
    assert WeakDrive().is_over(finding, now.readings(finding.site), made_now=bool(made)) is is_over


@pytest.mark.parametrize(
    ("start", "upstream", "per_step", "threshold"),
    [
        pytest.param(0.2, spikes(), False, "0.1", id="the weights have grown since"),
        pytest.param(
            0.2, spikes(), True, "0.4", id="the script calls the model once per time step, and the potential adds up"
        ),
        pytest.param(0.2, SILENT, False, "0.4", id="no spikes reached it at first"),
    ],
)
def test_the_threshold_suits_the_weights_from_which_training_starts_again(start, upstream, per_step, threshold) -> None:
    recent = {
        "lif1": [spikes()],
        "fc2.weight": [parameter()],
        "lif2": [SILENT, flow(), drive(), potential(maximum=0.8)],
    }
    first = {"lif1": [upstream], "lif2": [SILENT, flow(), drive(), potential(maximum=start)]}
    sites = {"lif2": {"fed_by": "fc2", "neuron": neuron()}}
    when = run(called_per_time_step=per_step)
    (finding,) = findings(WeakDrive(), observe(recent, sites=sites, first=first, run=when), "lif2")
    assert f"threshold = {threshold}" in finding.fix


@pytest.mark.parametrize(
    ("threshold", "reason"),
    [(1.0, "so they have to be larger"), (1e9, "so the threshold is too high")],
    ids=["weights that make up for it", "no weights would"],
)
def test_tiny_weights_are_the_reason_where_larger_ones_would_do(threshold, reason) -> None:
    observations = layer(WEAK, potential(maximum=0.2), weight=parameter(scale=0.05), v_threshold=threshold)
    (finding,) = findings(WeakDrive(), observations, "lif2")
    assert finding.expected.because.endswith(reason)
