"""SPK211 fading-activity: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk203_dead_layer import DeadLayer
from spikecheck.checks.spk205_weak_drive import WeakDrive
from spikecheck.checks.spk211_fading_activity import FadingActivity
from spikecheck.site import SpikeArgument
from tests.unit.checks.build import (
    drive,
    findings,
    firing_at,
    flow,
    loss,
    mode,
    neuron,
    observe,
    parameter,
    severity_of,
)


@pytest.mark.parametrize(
    ("places", "severity"),
    [
        pytest.param(firing_at(0.05, 0.04, 0.03), None, id="even rates"),
        pytest.param(firing_at(0.05, 0.005, 0.001), "warning", id="exactly at the limit"),
        pytest.param(firing_at(0.05, 0.005, 0.0011), None, id="just above the limit"),
        pytest.param(firing_at(0.05, 0.06, 0.0001), None, id="no trend"),
        pytest.param(firing_at(0.05, 0.0001), None, id="two layers"),
        pytest.param(firing_at(0.0, 0.0, 0.0), None, id="the first is silent"),
        pytest.param(firing_at(0.059, 0.004, 4.5e-6, 0.0), "warning", id="it fades into silence"),
        pytest.param(firing_at(0.05, 0.01, 0.0), "warning", id="exactly at the limit before the silence"),
        pytest.param(firing_at(0.05, 0.011, 0.0), None, id="the silent layer's own threshold"),
        pytest.param(firing_at(0.05, 0.0, 0.0), None, id="all but the first are silent"),
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


def test_the_cause_is_the_first_layer_that_fades_and_the_silent_one_a_consequence() -> None:
    [finding] = findings(FadingActivity(), observe(firing_at(0.05, 0.045, 0.004, 0.0)), "lif3")
    assert finding.site.name == "lif2"
    assert all("SPK211" in check.explained_by for check in (DeadLayer, WeakDrive))
    assert not {"SPK203", "SPK205"} & set(finding.explained_by)


def test_the_fix_gives_every_fading_layer_the_drive_of_the_first() -> None:
    places = firing_at(0.04, 0.004, 0.0)
    sites = {f"lif{n}": {"fed_by": f"fc{n}", "neuron": neuron(v_threshold=1.0)} for n in range(3)}
    places |= {f"fc{n}.weight": [parameter(scale=0.5)] for n in range(3)}
    places["lif0"] = [*places["lif0"], drive(rms=0.3, peak=1.0)]
    [finding] = findings(FadingActivity(), observe(places, sites=sites), "lif2")
    # 0.5 * sqrt(0.04) = 0.1 thresholds per time step, where the first layer gets 0.3
    assert finding.fix.splitlines()[1:] == ["model.fc1.weight.data.mul_(3.0)", "model.fc2.weight.data.mul_(3.0)"]


def fading(scale, first_scale=None, **kinds):
    """Two layers after the first, with weights of this scale; `kinds` are readings of the first of them."""
    places = firing_at(0.04, 0.0004, 0.0)
    sites = {f"lif{n}": {"fed_by": f"fc{n}", "neuron": neuron(v_threshold=0.0)} for n in range(3)}
    places |= {f"fc{n}.weight": [parameter(scale=scale)] for n in range(3)}
    places["lif1"] = [*places["lif1"], *kinds.values()]
    first = places | {f"fc{n}.weight": [parameter(scale=first_scale or scale)] for n in range(3)}
    [finding] = findings(FadingActivity(), observe(places, first=first, sites=sites), "lif2")
    return finding


@pytest.mark.parametrize(("scale", "too_high"), [(0.5, True), (0.49, False)])
def test_the_thresholds_are_wrong_where_weights_are_of_a_usual_scale(scale, too_high) -> None:
    argument = SpikeArgument(rms=0.97, maximum=-0.8, threshold=0.0, reset_value=-1.0)
    finding = fading(scale, flow=flow(argument=argument))
    assert ("thresholds are too high" in finding.expected.because) == too_high
    assert ("potential of lif1 reaches 20%" in finding.expected.because) == too_high
    assert ("threshold = threshold * 0.2" in finding.fix) == too_high


def test_the_weight_of_a_normalization_is_multiplied_where_one_lies_between() -> None:
    places = firing_at(0.04, 0.004, 0.0)
    sites = {f"lif{n}": {"fed_by": f"fc{n}", "neuron": neuron(v_threshold=1.0)} for n in range(3)}
    places["lif0"] = [*places["lif0"], drive(rms=0.3, peak=1.0)]
    for n in range(3):
        places[f"fc{n}.weight"] = [parameter(scale=0.5, elements=32 * 64, fan_in=64)]
        places[f"bn{n}"] = [mode()]
        places[f"bn{n}.weight"] = [parameter(rms=0.1, elements=32, fan_in=1, dimensions=1)]
    [finding] = findings(FadingActivity(), observe(places, sites=sites), "lif2")
    assert finding.fix.splitlines()[1:] == ["model.bn1.weight.data.mul_(3.0)", "model.bn2.weight.data.mul_(3.0)"]


def test_weights_that_decayed_in_silent_layers_were_of_a_usual_scale() -> None:
    assert "thresholds are too high" in fading(0.1, first_scale=0.6).expected.because
