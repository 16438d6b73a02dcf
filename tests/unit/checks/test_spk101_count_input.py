"""SPK101 count-input: a table of numbers, no model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spikecheck.checks.spk101_count_input import CountInput
from tests.unit.checks.build import drive, findings, inputs, loss, neuron, observe, run, severity_of, spikes


def counts(average: float, **changed):
    """Counts up to 9, with this mean of the active bins."""
    values = {"maximum": 9.0, "values": (0.0, 1.0, 2.0, 5.0, 9.0), "above_one": 4000, "active": 10_000}
    return inputs(**{**values, "count": average * 10_000, **changed})


def driving(x, times, **known):
    """The input before a layer that it drives at so many thresholds; the layer after that is driven little."""
    first = [spikes(), drive(rms=times, peak=3 * times, maximum=6 * times)]
    places = {"input": [x], "lif1": first, "lif2": [spikes(), drive()]}
    return observe(places, sites={"lif1": {"neuron": neuron(**known)}})


@pytest.mark.parametrize(
    ("x", "severity"),
    [
        pytest.param(inputs(), None, id="binary"),
        pytest.param(counts(6.0), "warning", id="coarse bins"),
        pytest.param(counts(2.0), "warning", id="exactly at the limit"),
        pytest.param(counts(1.99), "note", id="just below the limit"),
        pytest.param(counts(1.05), "note", id="a healthy network's small counts"),
        pytest.param(counts(3.0, minimum=-1.0, negative=9), None, id="negative values are not counts"),
        pytest.param(inputs(minimum=-1.0, values=(-1.0, 0.0, 1.0), negative=9000), None, id="ternary"),
        pytest.param(counts(6.0, non_integer=1), None, id="continuous"),
        pytest.param(counts(6.0, dtype="int64", shape=(20, 16)), None, id="indices of an embedding"),
        pytest.param(counts(6.0, dtype="uint8"), "warning", id="counts as bytes"),
        pytest.param(inputs(count=0.0, active=0, maximum=0.0, values=(0.0,)), None, id="empty input"),
        pytest.param(counts(6.0, minimum=float("nan")), None, id="not a number"),
    ],
)
def test_judge(x, severity) -> None:
    assert severity_of(CountInput(), driving(x, 10.0), "input") == severity


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(driving(counts(4.1), 6.0), "note", id="a healthy network that takes counts"),
        pytest.param(driving(counts(4.1), 7.0), "warning", id="exactly at the drive's limit"),
        pytest.param(driving(counts(6.0), 3.5), "warning", id="exactly at the drive's limit for large counts"),
        pytest.param(driving(counts(6.0), 3.4), "note", id="just below the limit"),
        pytest.param(driving(counts(6.0), 0.4), "note", id="weights that were scaled for the counts"),
        pytest.param(driving(counts(5.0), 10.0, v_threshold=None), "warning", id="threshold unknown, large counts"),
        pytest.param(driving(counts(4.9), 10.0, v_threshold=None), "note", id="threshold unknown, smaller ones"),
        pytest.param(observe({"input": [counts(6.0)]}), "note", id="no spiking layer was observed"),
    ],
)
def test_counts_are_judged_by_the_drive_they_cause(observations, severity) -> None:
    assert severity_of(CountInput(), observations, "input") == severity


@pytest.mark.parametrize(("level", "severity"), [(0.4, "note"), (2.9, "warning")], ids=["learned", "not learned"])
def test_counts_that_a_network_learns_from_are_no_fault(level: float, severity: str) -> None:
    first = [spikes(), drive(rms=10.0, peak=30.0, maximum=60.0)]
    places = {"input": [counts(6.0)], "lif1": first, "loss": [loss(recent_mean=level, recent_deviation=0.02)]}
    assert severity_of(CountInput(), observe(places, sites={"lif1": {"neuron": neuron()}}), "input") == severity


def test_without_training_it_is_not_known_which_input_a_network_can_use() -> None:
    evaluation = replace(driving(counts(6.0), 10.0), run=run(backward_passes=0, without_gradients=True))
    assert severity_of(CountInput(), evaluation, "input") == "note"


def test_it_says_how_much_binarizing_would_remove() -> None:
    [finding] = findings(CountInput(), observe({"input": [counts(6.0)]}), "input")
    assert finding.message == "input holds event counts (0 to 9), not binary spikes; non-empty bins average 6"
    assert "40% of the non-empty bins are above 1" in finding.observed.text
    assert "x = (x > 0).float()" in finding.fix


def test_another_limit_can_be_set() -> None:
    check = CountInput(max_mean_count=7.0, min_large_mean_count=7.0)
    assert severity_of(check, driving(counts(6.0), 10.0), "input") == "note"
