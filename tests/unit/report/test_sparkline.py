"""Timelines in a column of the terminal's table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spikecheck.report.encoding import encodable
from spikecheck.report.format import time_steps
from spikecheck.report.model import LayerRow
from spikecheck.report.sparkline import sparkline
from spikecheck.report.terminal import plain_text
from spikecheck.timelines import TimelinePoint, TimeSteps
from tests.unit.report.reports import healthy, spikes, timeline


def points(*means: float | None, passes: int = 1) -> list[TimelinePoint]:
    return [TimelinePoint(n, n, passes, mean) for n, mean in enumerate(means)]


@pytest.mark.parametrize(
    ("means", "line"),
    [
        ((), ""),
        ((0.0, 0.0), "▁▁"),
        ((0.5, 0.5, 0.5), "███"),
        ((0.1, 0.2, 0.4, 0.7), "▃▄▆█"),
        ((0.7, 1e-6, 0.0), "█▂▁"),
        ((None, 0.3, None), "·█·"),
        ((-0.5, 1.0), "▅█"),
        ((1.0,) * 56 + (0.0,) * 8, "███████▁"),
        ((1.0,) * 9, "████████"),
    ],
)
def test_blocks_are_relative_to_the_largest_and_zero_is_the_lowest(means: tuple[float | None, ...], line: str) -> None:
    assert sparkline(points(*means)) == line


def test_points_that_share_a_block_are_averaged_over_their_passes() -> None:
    both = [TimelinePoint(0, 0, 3, 1.0), TimelinePoint(1, 1, 1, 0.0), TimelinePoint(2, 2, 1, 1.0)]
    assert sparkline(both, width=2) == "█▅"
    assert sparkline([both[0], both[1]], width=1) == "█"


def test_a_stream_without_blocks_gets_ascii() -> None:
    assert encodable(sparkline(points(0.7, 0.1, 0.0, None)), "ascii") == "#:_-"


@pytest.mark.parametrize(
    ("steps", "text"),
    [
        (None, "-"),
        (TimeSteps(40, 40), "40 calls"),
        (TimeSteps(1, 1), "1 call"),
        (TimeSteps(1000, 1000, axis=1), "1,000, axis 1"),
        (TimeSteps(20, 40, axis=0), "20 to 40, axis 0"),
        (TimeSteps(1, 1, known=False), "unknown"),
    ],
)
def test_the_time_axis_in_words(steps: TimeSteps | None, text: str) -> None:
    assert time_steps(steps) == text


def test_neurons_that_may_be_time_steps_are_not_counted() -> None:
    doubtful = LayerRow("lif1", spikes(), timeline=timeline((0.1,), TimeSteps(1, 1, known=False)))
    report = replace(healthy(), layers=(doubtful,))
    (row,) = [line for line in plain_text(report).splitlines() if line.startswith("lif1")]
    assert row.split() == ["lif1", "unknown", "0.1", "1", "-", "-"]
    entry = report.to_dict()["layers"][0]
    assert {entry[name] for name in entry if name.endswith("neurons")} == {None}


def test_a_layer_that_is_silent_now_is_silent_in_every_column() -> None:
    fell = LayerRow("lif1", spikes(), timeline=timeline((0.1, 0.0)), now=spikes(silent_neurons=3))
    assert (fell.rate_now, fell.silent_now) == (0.0, 256)
    assert fell.timeline is not None
    assert fell.timeline.silent_since == (0, 4)
