"""SPK105 constant-input: a table of numbers, no model."""

from __future__ import annotations

import json

import pytest

from spikecheck.checks.spk105_constant_input import ConstantInput
from spikecheck.evidence.findings import plain_finding, rebuild_finding
from spikecheck.evidence.plain import plain
from spikecheck.site import NeighborCorrelation
from tests.unit.checks.build import drive, findings, inputs, loss, observe, severity_of, targets


@pytest.mark.parametrize(
    ("reading", "severity"),
    [
        pytest.param(inputs(), None, id="changing input"),
        pytest.param(inputs(constant_forward_passes=20), "note", id="every forward pass"),
        pytest.param(inputs(constant_forward_passes=20, non_integer=5000), None, id="direct coding of an image"),
        pytest.param(inputs(constant_forward_passes=20, minimum=-1.0), None, id="a normalized image"),
        pytest.param(inputs(constant_forward_passes=19), None, id="all but one"),
        pytest.param(inputs(constant_forward_passes=20, time_steps=1), None, id="one step"),
        pytest.param(inputs(constant_forward_passes=20, time_steps=None), None, id="unknown time axis"),
        pytest.param(inputs(constant_forward_passes=20, filled_frames=0), None, id="empty input"),
    ],
)
def test_judge(reading, severity) -> None:
    assert severity_of(ConstantInput(), observe({"input": [reading]}), "input") == severity


EQUAL, CHANGING = NeighborCorrelation(1.0, 1.0, 0.0), NeighborCorrelation(0.4, 0.1, 0.02)
STUCK = loss(recent_mean=2.8)
LITTLE = loss(recent_mean=2.8, updates=64)


@pytest.mark.parametrize(
    ("correlation", "losses", "reading", "severity"),
    [
        pytest.param(EQUAL, STUCK, inputs(), "warning", id="the loop reads one frame in each step"),
        pytest.param(EQUAL, loss(recent_mean=0.4), inputs(), "note", id="it learns much all the same"),
        pytest.param(EQUAL, STUCK, inputs(non_integer=5000, constant_forward_passes=20), None, id="direct coding"),
        pytest.param(EQUAL, STUCK, inputs(time_steps=None, values=(0.0, 0.2, 1.0)), None, id="a repeated image"),
        pytest.param(EQUAL, LITTLE, inputs(time_steps=None), "note", id="spikes that were drawn once"),
        pytest.param(
            EQUAL, loss(recent_mean=2.8, updates=63), inputs(time_steps=None), None, id="too early to expect learning"
        ),
        pytest.param(EQUAL, loss(recent_mean=0.4), inputs(time_steps=None), None, id="a black-and-white image"),
        pytest.param(CHANGING, LITTLE, inputs(time_steps=None), None, id="the model draws the spikes"),
        pytest.param(CHANGING, STUCK, inputs(), None, id="the current changes"),
        pytest.param(None, STUCK, inputs(), None, id="too few passes to compare"),
    ],
)
def test_the_current_of_the_first_layer(correlation, losses, reading, severity) -> None:
    places = {"input": [reading], "lif1": [drive(step_correlation=correlation)], "loss": [losses, targets()]}
    assert severity_of(ConstantInput(), observe(places), "input") == severity


def test_it_names_the_layer_whose_current_is_constant() -> None:
    (finding,) = findings(
        ConstantInput(), observe({"input": [inputs()], "lif1": [drive(step_correlation=EQUAL)]}), "input"
    )
    assert finding.message == "the input current of lif1 is the same in all 20 time steps, although input changes"
    stored = json.loads(json.dumps(plain(plain_finding(finding))))
    assert rebuild_finding(ConstantInput, stored, lambda text: text).observed == finding.observed
