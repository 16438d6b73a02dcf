"""Which values the input has is known without counting where all are 0 or 1, and counted elsewhere."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from spikecheck.readings import InputReading
from spikecheck.site import Capture, Layout, Site, SiteKind
from spikecheck.stats import inputs
from spikecheck.stats.inputs import InputStats


def reading(*inputs: Tensor, layouts: tuple[Layout, ...] = (Layout(0, 1),)) -> InputReading:
    statistic, site = InputStats(), Site(SiteKind.INPUT, "input")
    passes = [Capture((site,), (x,), layout) for x, layout in zip(inputs, layouts, strict=True)]
    (made,) = statistic.summarize(statistic.measure_many(passes))
    return made


def frames(rate: float = 0.1) -> Tensor:
    return (torch.rand(20, 8, 50, generator=torch.Generator().manual_seed(3)) < rate).float()


@pytest.mark.parametrize("x", [frames(), frames(0), frames(1), frames().bool(), frames().transpose(0, 1)])
def test_what_is_known_is_what_is_counted(x: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    known = reading(x)
    monkeypatch.setattr(inputs, "is_known", lambda condition: False)
    assert reading(x) == known


def test_event_counts_fractions_and_negative_values_are_counted() -> None:
    x = frames()[:8]  # few enough for each to be among the values
    x[3, 2, 1], x[4, 2, 1], x[5, 2, 1] = 3.0, 0.5, -1.0
    counted = reading(x)
    assert (counted.above_one, counted.negative, counted.non_integer) == (1, 1, 1)
    assert counted.values == (-1.0, 0.0, 0.5, 1.0, 3.0)


def test_a_pass_without_a_time_axis_has_no_fullest_time_step() -> None:
    """Its samples are one frame each, which would hold all of their events."""
    x = frames()
    assert reading(x, x, layouts=(Layout(0, 1), Layout(None, 1))).densest_frame_share == reading(x).densest_frame_share
