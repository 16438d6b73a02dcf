"""SPK102 empty-input: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk102_empty_input import EmptyInput
from tests.unit.checks.build import drive, findings, inputs, loss, observe, parameter, run, severity_of, spikes


@pytest.mark.parametrize(
    ("reading", "severity"),
    [
        pytest.param(inputs(), None, id="ordinary"),
        pytest.param(inputs(filled_frames=639), "warning", id="almost empty"),
        pytest.param(inputs(filled_frames=640), None, id="exactly at the limit"),
        pytest.param(inputs(filled_frames=0, empty_samples=320), "error", id="all empty"),
        pytest.param(inputs(empty_samples=160), "warning", id="half of the samples"),
        pytest.param(inputs(empty_samples=159), None, id="fewer than half"),
        pytest.param(inputs(elements=0, frames=0, filled_frames=0), None, id="no element"),
    ],
)
def test_judge(reading, severity) -> None:
    assert severity_of(EmptyInput(), observe({"input": [reading]}), "input") == severity


@pytest.mark.parametrize(
    ("level", "run_", "severity"),
    [
        pytest.param(0.4, run(live=False), "note", id="learned from few events"),
        pytest.param(2.9, run(live=False), "warning", id="not learned"),
        pytest.param(2.9, run(live=True, update=63), "note", id="too early to tell"),
        pytest.param(2.9, run(live=True, update=64), "warning", id="late enough"),
    ],
)
def test_few_events_may_be_enough(level: float, run_, severity: str) -> None:
    places = {"input": [inputs(filled_frames=400)], "loss": [loss(recent_mean=level, recent_deviation=0.02)]}
    assert severity_of(EmptyInput(), observe(places, run=run_), "input") == severity


def test_an_input_without_any_event_is_an_error_at_once() -> None:
    places = {"input": [inputs(filled_frames=0, empty_samples=320)]}
    assert severity_of(EmptyInput(), observe(places, run=run(live=True, update=1)), "input") == "error"


TINY = {"maximum": 0.004, "values": (0.0, 0.002, 0.004), "non_integer": 19_200}


@pytest.mark.parametrize(
    ("reading", "level", "severity"),
    [
        pytest.param(inputs(**TINY), 2.99, "warning", id="divided by 255 twice, and nothing is learned"),
        pytest.param(inputs(**TINY), 0.4, None, id="learned from small values"),
        pytest.param(inputs(**TINY | {"minimum": -0.5}), 2.99, None, id="negative values are not small"),
        pytest.param(inputs(**TINY | {"maximum": 0.02}), 2.99, None, id="exactly at the limit"),
    ],
)
def test_values_close_to_0(reading, level: float, severity: str | None) -> None:
    losses = [loss(recent_mean=level, recent_deviation=0.02, recent_slope=0.0, updates=100)]
    assert severity_of(EmptyInput(), observe({"input": [reading], "loss": losses}), "input") == severity


def test_the_fix_for_values_close_to_0_is_a_factor_of_this_run() -> None:
    losses = [loss(recent_mean=2.99, recent_deviation=0.02, recent_slope=0.0, updates=100)]
    (finding,) = findings(EmptyInput(), observe({"input": [inputs(**TINY)], "loss": losses}), "input")
    assert finding.message == "input is close to 0: no value is larger than 0.004"
    assert finding.fixes[0].code.endswith("x = x * 250.0")


SMALL = {"maximum": 0.5, "values": (0.0, 0.01, 0.5), "non_integer": 19_200}


@pytest.mark.parametrize(
    ("reading", "current", "scale", "level", "severity"),
    [
        pytest.param(inputs(**SMALL), 0.01, 0.58, 2.99, "warning", id="features on a linear scale"),
        pytest.param(inputs(**SMALL), 0.01, 0.58, 0.4, None, id="learned from them"),
        pytest.param(inputs(**SMALL), 0.02, 0.58, 2.99, None, id="exactly at the limit"),
        pytest.param(inputs(**SMALL), 0.01, 0.1, 2.99, None, id="the weights are small"),
        pytest.param(inputs(**SMALL | {"maximum": 3.0}), 0.01, 0.58, 2.99, None, id="the values are not small"),
        pytest.param(inputs(**SMALL | {"non_integer": 0}), 0.01, 0.58, 2.99, None, id="few spikes"),
    ],
)
def test_values_that_hardly_drive_the_first_layer(reading, current, scale, level: float, severity: str | None) -> None:
    places = {
        "input": [reading],
        "fc1.weight": [parameter(scale=scale)],
        "lif1": [spikes(), drive(rms=current)],
        "loss": [loss(recent_mean=level, recent_deviation=0.02, recent_slope=0.0, updates=100)],
    }
    observations = observe(places, sites={"lif1": {"fed_by": "fc1"}})
    assert severity_of(EmptyInput(), observations, "input") == severity
    for finding in findings(EmptyInput(), observations, "input"):
        assert finding.message == "input is too small: it adds 0.01 thresholds per time step to lif1"
        assert finding.fixes[0].code.endswith("x = x * 100.0")
