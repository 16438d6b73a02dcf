"""Which values spikes have is known without counting where all are 0 or 1, and counted elsewhere."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from spikecheck.readings import SpikeReading
from spikecheck.site import Capture, Layout, Site, SiteKind
from spikecheck.stats import spikes
from spikecheck.stats.spikes import SpikeStats


def reading(x: Tensor) -> SpikeReading:
    statistic = SpikeStats()
    (made,) = statistic.summarize(statistic.measure(Capture((Site(SiteKind.SPIKES, "lif1"),), (x,), Layout(0, 1))))
    return made


def binary(steps: int = 20, rate: float = 0.1) -> Tensor:
    return (torch.rand(steps, 8, 50, generator=torch.Generator().manual_seed(3)) < rate).float()


@pytest.mark.parametrize("x", [binary(), binary(rate=0), binary(rate=1), binary(1), binary()[:, :, :1]])
def test_what_is_known_is_what_is_counted(x: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    known = reading(x)
    monkeypatch.setattr(spikes, "are_binary", lambda *_: False)
    assert reading(x) == known


def test_all_are_known_where_the_sums_are_added_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spikes, "COMPARED_AT_ONCE", 1_000)
    known = reading(binary())
    assert (known.active, known.non_binary, known.values) == (known.count, 0, (0.0, 1.0))


@pytest.mark.parametrize("value", [0.9, 0.1, -1.0, 2.0, -0.5, float("nan"), float("inf")])
def test_one_other_value_is_counted(value: float) -> None:
    x = binary()
    x[7, 3, 11] = value
    assert reading(x).non_binary == 1


def test_values_that_make_up_for_each_other_are_counted() -> None:
    x = torch.zeros(4, 2, 3)
    x[0, 0, 0], x[1, 0, 0] = 0.5, (1 - 2**0.5) / 2  # x - x * x adds up to 0
    assert reading(x).non_binary == 2
