"""Captures of few values wait, so that several of a site can be measured together.

A dozen operations on 64 x 20 logits take 0.4 ms where they follow each other, and 2 ms between those of a training
step, whose data and code have taken their place in the processor's caches. In a small network most of what an update
costs is to begin operations, not to read values.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, NamedTuple

import torch
from torch import Tensor

from spikecheck.site import Capture, SiteKind

MAX_WAITING = 64  # captures of one site that are measured together
MAX_VALUES = 16_384  # of a capture that waits: 64 KB
MAX_VALUES_IN_ALL = 2**20  # of those that wait at all sites: 4 MB
OF_AN_UPDATE = (
    SiteKind.LOSS
    | SiteKind.LOGITS
    | SiteKind.TARGETS
    | SiteKind.LABELS
    | SiteKind.CLASS_WEIGHTS
    | SiteKind.GRADIENT
)  # fmt: skip
OF_A_PASS = SiteKind.INPUT | SiteKind.CURRENT | SiteKind.POTENTIAL | SiteKind.SPIKES

Key = tuple[SiteKind, str, bool]  # of a site: its kind, its name, and whether it is one of training


class Kept(NamedTuple):
    """A capture that waits, without its values, and copies of these: time steps that were stacked are one tensor."""

    capture: Capture[Tensor]
    copies: list[Tensor]
    tier: float

    def restored(self) -> Capture[Tensor]:
        """Return the capture as it came."""
        values = self.copies[0].unbind() if self.capture.stacked else tuple(self.copies)
        return replace(self.capture, values=values)

    @property
    def form(self) -> Any:
        """What it has in common with those that are measured together with it."""
        one = self.capture
        shapes = [(copy.shape, copy.dtype, copy.device) for copy in self.copies]
        return one.sites, one.loss_call, one.layout, one.stacked, one.axes_in_doubt, shapes, self.tier


Run = tuple[list[Capture[Tensor]], float]  # captures of one site and form, in their order, and their tier


@dataclass
class Waiting:
    """The captures that wait, by site and in their order."""

    by_site: dict[Key, list[Kept]] = field(default_factory=dict)
    values: int = 0

    def add(self, capture: Capture[Tensor], tier: float) -> bool:
        """Keep a copy of a capture, if it may wait; return whether it does.

        What forward passes show waits where only tier 1 measures it, and where it is finite: NaN is told at once.
        """
        kind = capture.sites[0].kind
        of_pass = kind in OF_A_PASS
        if not (kind in OF_AN_UPDATE or (of_pass and tier <= 1)):
            return False
        values = sum([value.numel() for value in capture.values])
        if values > MAX_VALUES:
            return False
        shown = [value.detach() for value in capture.values]
        copies = [torch.stack(shown)] if capture.stacked else [value.clone() for value in shown]
        if of_pass and not all(map(is_finite, copies)):
            return False
        self.by_site.setdefault(key_of(capture), []).append(Kept(replace(capture, values=()), copies, tier))
        self.values += values
        return True

    def is_full(self, capture: Capture[Tensor]) -> bool:
        """Return whether what waits at the site of a capture, or at all of them, is to be measured."""
        return len(self.by_site[key_of(capture)]) >= MAX_WAITING or self.values >= MAX_VALUES_IN_ALL

    def take(self) -> Iterator[Run]:
        """Yield what waits, and keep nothing."""
        by_site, self.by_site, self.values = self.by_site, {}, 0
        for waiting in by_site.values():
            yield from runs_of(waiting)

    def take_at(self, capture: Capture[Tensor]) -> Iterator[Run]:
        """Yield what waits at the site of a capture, and keep nothing of it."""
        waiting = self.by_site.pop(key_of(capture), [])
        self.values -= sum(copy.numel() for kept in waiting for copy in kept.copies)
        yield from runs_of(waiting)


def runs_of(waiting: Iterable[Kept]) -> Iterator[Run]:
    """Yield the captures of one form that follow each other."""
    for _, run in groupby(waiting, key=lambda kept: kept.form):
        first, *others = run
        yield [kept.restored() for kept in (first, *others)], first.tier


def key_of(capture: Capture[Tensor]) -> Key:
    """Return what tells the captures of one site from others."""
    return capture.sites[0].kind, capture.sites[0].name, capture.training


def is_finite(values: Tensor) -> bool:
    """Return whether values are finite, as far as that can be told without waiting for the device."""
    return values.device.type != "cpu" or math.isfinite(values.sum(dtype=torch.float64))
