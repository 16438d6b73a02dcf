"""SPK110 saturated-input: a table of numbers, no model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spikecheck.checks.spk110_saturated_input import SaturatedInput
from spikecheck.site import NeighborCorrelation
from tests.unit.checks.build import drive, findings, inputs, loss, observe, run, severity_of


@pytest.mark.parametrize(
    ("reading", "run", "severity"),
    [
        pytest.param(inputs(active=81_920, minimum=1.0, values=(1.0,)), run(), "warning", id="nothing but ones"),
        pytest.param(inputs(active=97, sampled_elements=100), run(), "warning", id="exactly at the limit"),
        pytest.param(inputs(active=96, sampled_elements=100), run(), None, id="just below the limit"),
        pytest.param(inputs(active=81_920, non_integer=9000), run(), None, id="gray values"),
        pytest.param(inputs(active=81_920, maximum=7.0), run(), None, id="counts"),
        pytest.param(inputs(active=81_920, forward_passes=9), run(), None, id="too few forward passes"),
        pytest.param(inputs(active=81_920), run(input_tensors=2), None, id="a mask beside the input"),
        pytest.param(inputs(), run(), None, id="healthy"),
    ],
)
def test_judge(reading, run, severity) -> None:
    assert severity_of(SaturatedInput(), observe({"input": [reading]}, run=run), "input") == severity


@pytest.mark.parametrize(
    ("active", "level", "severity"),
    [(90, 2.9, "warning"), (89, 2.9, None), (90, 1.2, None)],
    ids=["little is learned", "just below the limit", "the network learns"],
)
def test_less_is_enough_where_little_is_learned(active, level, severity) -> None:
    losses = loss(updates=80, recent_mean=level, recent_deviation=0.02)
    observations = observe({"input": [inputs(active=active, sampled_elements=100)], "loss": [losses]})
    assert severity_of(SaturatedInput(), observations, "input") == severity


def test_it_is_dated_from_the_start_where_the_first_forward_pass_shows_it() -> None:
    ones, zeros = inputs(active=81_920, minimum=1.0, values=(1.0,)), inputs(active=0)

    def dated(first):
        [finding] = findings(SaturatedInput(), observe({"input": [ones]}, first={"input": [first]}), "input")
        return finding.when.update

    assert dated(replace(ones, forward_passes=1)) == 0
    assert dated(zeros) != 0


TABLE = inputs(
    shape=(32, 8), time_steps=None, minimum=0.8, maximum=1700.0, above_one=99, active=100, sampled_elements=100
)
NOTHING_LEARNED = loss(updates=80, recent_mean=2.9, recent_deviation=0.02)


def currents(*, peak=0.3, steps=0.02):
    return drive(mean=0.0, rms=0.5, peak=peak, step_correlation=NeighborCorrelation(steps, steps, 0.01))


@pytest.mark.parametrize(
    ("table", "current", "losses", "severity"),
    [
        pytest.param(TABLE, currents(), NOTHING_LEARNED, "warning", id="each probability is above 1"),
        pytest.param(replace(TABLE, above_one=89), currents(), NOTHING_LEARNED, None, id="most are"),
        pytest.param(replace(TABLE, minimum=-3.0), currents(), NOTHING_LEARNED, None, id="both signs"),
        pytest.param(TABLE, currents(steps=1.0), NOTHING_LEARNED, None, id="given as a current"),
        pytest.param(TABLE, currents(peak=2.0), NOTHING_LEARNED, None, id="currents that vary: scaled in the model"),
        pytest.param(TABLE, drive(), NOTHING_LEARNED, None, id="currents that were not compared"),
        pytest.param(TABLE, currents(), loss(updates=80, recent_mean=0.3, recent_deviation=0.02), None, id="learned"),
    ],
)
def test_values_that_an_encoder_inside_takes_for_probabilities(table, current, losses, severity) -> None:
    observations = observe({"input": [table], "lif1": [current], "loss": [losses]})
    assert severity_of(SaturatedInput(), observations, "input") == severity


@pytest.mark.parametrize(("shape", "by_column"), [((32, 8), True), ((32, 1, 28, 28), False)])
def test_the_fix_scales_a_table_column_by_column(shape, by_column) -> None:
    observations = observe({"input": [replace(TABLE, shape=shape)], "lif1": [currents()], "loss": [NOTHING_LEARNED]})
    [finding] = findings(SaturatedInput(), observations, "input")
    assert ("min(0)" in finding.fixes[0].code) is by_column
