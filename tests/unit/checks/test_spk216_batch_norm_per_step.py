"""SPK216 batch-norm-per-step: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk216_batch_norm_per_step import BatchNormPerStep
from tests.unit.checks.build import inputs, mode, observe, severity_of, spikes


@pytest.mark.parametrize(
    ("readings", "severity"),
    [
        pytest.param([mode(momentum=0.1)], None, id="one call"),
        pytest.param([mode(momentum=0.1, calls_per_forward_pass=40)], "warning", id="40 time steps"),
        pytest.param([mode(momentum=0.1, calls_per_forward_pass=20)], "note", id="statistics of nearly all time steps"),
        pytest.param([mode(momentum=0.1, calls_per_forward_pass=3)], None, id="shared by branches"),
        pytest.param([mode(calls_per_forward_pass=40)], None, id="no running statistics"),
        pytest.param([mode(momentum=0.1, calls_per_forward_pass=40, evaluation_updates=20)], None, id="frozen"),
    ],
)
def test_judge(readings, severity) -> None:
    assert severity_of(BatchNormPerStep(), observe({"norm": readings}), "norm") == severity


def after(profile, **changed):
    """A batch norm of 40 steps behind a layer that is this busy in each."""
    places = {
        "input": [inputs()],
        "lif1": [spikes(profile=profile, **changed)],
        "norm": [mode(momentum=0.1, calls_per_forward_pass=40)],
    }
    return observe(places)


EARLY, LATE = (1.6,) * 20 + (0.4,) * 20, (0.4,) * 20 + (1.6,) * 20
SLOPED = tuple(1.25 - 0.0128 * step for step in range(40))


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(after((1.0,) * 40), "note", id="all time steps are equally busy"),
        pytest.param(after(EARLY), "warning", id="recordings end early"),
        pytest.param(after(LATE), "warning", id="recordings begin late"),
        pytest.param(after(SLOPED), "note", id="recordings thin out a little"),
        pytest.param(after(()), "warning", id="unknown activity"),
        pytest.param(after((0.0,) * 40), "warning", id="no activity at all"),
        pytest.param(after((1.0,) * 40, time_axis_known=False), "warning", id="unknown time axis"),
    ],
)
def test_it_is_a_note_where_the_time_steps_are_alike(observations, severity) -> None:
    assert severity_of(BatchNormPerStep(), observations, "norm") == severity


def test_the_input_counts_where_no_layer_comes_before() -> None:
    places = {
        "input": [inputs(profile=EARLY)],
        "norm": [mode(momentum=0.1, calls_per_forward_pass=40)],
        "lif1": [spikes()],
    }
    assert severity_of(BatchNormPerStep(), observe(places), "norm") == "warning"
    places["input"] = [inputs(profile=(1.0,) * 40)]
    assert severity_of(BatchNormPerStep(), observe(places), "norm") == "note"


@pytest.mark.parametrize(
    ("shape", "severity"),
    [
        pytest.param((64, 1, 8, 8), "note", id="a static image that the model repeats"),
        pytest.param((64, 40, 8), "warning", id="one axis may be time"),
    ],
)
def test_an_input_without_a_time_axis_is_the_same_in_every_time_step(shape, severity) -> None:
    places = {
        "input": [inputs(time_steps=None, shape=shape)],
        "norm": [mode(momentum=0.1, calls_per_forward_pass=40)],
        "lif1": [spikes()],
    }
    assert severity_of(BatchNormPerStep(), observe(places), "norm") == severity
