"""Logits with masked classes: -inf is a mask, and leaves what is said of the other classes as it is."""

from __future__ import annotations

import torch

from spikecheck.readings import LogitReading
from spikecheck.site import Capture, Site, SiteKind
from spikecheck.stats.losses import LogitStats


def read(logits: torch.Tensor) -> LogitReading:
    statistic = LogitStats()
    return statistic.summarize(statistic.measure(Capture((Site(SiteKind.LOGITS, "logits"),), (logits,))))[0]


def test_a_mask_is_neither_an_infinity_nor_a_spread() -> None:
    torch.manual_seed(0)
    logits = torch.randn(60, 6)
    masked = logits.clone()
    masked[:, 5] = -torch.inf
    assert read(masked).non_finite.count == 0
    assert read(masked).spread == read(logits[:, :5]).spread
    assert read(masked).decided_rows == 60


def test_rows_with_nan_infinity_or_a_mask_on_every_class_are_counted() -> None:
    logits = torch.zeros(6, 4)
    logits[0, 1], logits[1, 1], logits[2] = torch.nan, torch.inf, -torch.inf
    assert read(logits).non_finite.count == 3
    assert read(logits).non_finite.elements == 6
