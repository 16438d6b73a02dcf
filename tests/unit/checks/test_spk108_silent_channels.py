"""SPK108 silent-channels: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk108_silent_channels import SilentChannels
from tests.unit.checks.build import findings, inputs, loss, observe, run, severity_of


def channels_of(**changed):
    """Sixteen batches of 100 channels."""
    return observe({"input": [inputs(**({"distinct_batches": 16, "channels": 100} | changed))]})


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(channels_of(), None, id="all channels used"),
        pytest.param(channels_of(silent_channels=24), None, id="a border"),
        pytest.param(channels_of(silent_channels=25), "note", id="a quarter"),
        pytest.param(channels_of(silent_channels=50), "note", id="half of them, scattered"),
        pytest.param(channels_of(silent_channels=50, silent_half=True), "warning", id="one polarity"),
        pytest.param(
            channels_of(silent_channels=60, silent_half=True), "warning", id="one polarity, and a border of the other"
        ),
        pytest.param(
            channels_of(silent_channels=100), None, id="all: the input is empty, which belongs to another check"
        ),
        pytest.param(
            channels_of(silent_channels=50, silent_half=True, distinct_batches=15), None, id="too few batches"
        ),
        pytest.param(channels_of(silent_channels=99), "warning", id="a single channel is used"),
        pytest.param(channels_of(silent_channels=98), "note", id="two are used"),
        pytest.param(channels_of(silent_channels=7, channels=8), "warning", id="one of eight"),
        pytest.param(channels_of(silent_channels=6, channels=7), "note", id="one of seven"),
        pytest.param(channels_of(channels=0), None, id="unknown time axis"),
    ],
)
def test_judge(observations, severity) -> None:
    assert severity_of(SilentChannels(), observations, "input") == severity


STUCK = {"recent_mean": 2.99, "recent_slope": 0.0, "updates": 64}


def with_loss(silent: int, live: bool = False, **of_loss):
    """A run of 100 channels with a classification loss, ln 20 = 3.00 at chance."""
    places = {"input": [inputs(distinct_batches=16, channels=100, silent_channels=silent)], "loss": [loss(**of_loss)]}
    return observe(places, run=run(live=live))


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(with_loss(75, **STUCK), "warning", id="nothing is learned"),
        pytest.param(with_loss(74, **STUCK), "note", id="one channel more"),
        pytest.param(with_loss(75), "note", id="the network learns"),
        pytest.param(with_loss(75, **STUCK | {"updates": 63}), "note", id="too few losses"),
        pytest.param(with_loss(75, live=True, **STUCK), "note", id="training goes on"),
    ],
)
def test_most_channels_silent_is_a_warning_where_nothing_is_learned(observations, severity) -> None:
    assert severity_of(SilentChannels(), observations, "input") == severity


def test_the_message_asks_for_clipped_coordinates() -> None:
    (finding,) = findings(SilentChannels(), with_loss(88, **STUCK), "input")
    assert finding.message == (
        "88 of 100 channels of input never hold an event, and nothing is learned: are the coordinates clipped?"
    )
