"""Captures of few values wait, so that several of a site can be measured together.

A dozen operations on 64 x 20 logits take 0.4 ms where they follow each other, and 2 ms between those of a training
step, whose data and code have taken their place in the processor's caches. In a small network most of what an update
costs is to begin operations, not to read values.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

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
    | SiteKind.OPTIMIZER
)  # fmt: skip
OF_A_PASS = SiteKind.INPUT | SiteKind.CURRENT | SiteKind.POTENTIAL | SiteKind.SPIKES
TELLS_AT_ONCE = OF_A_PASS | SiteKind.OPTIMIZER
ADDED_IN_ANY_ORDER = OF_A_PASS | SiteKind.OPTIMIZER | SiteKind.GRADIENT

Key = tuple[SiteKind, str, bool]  # of a site: its kind, its name, and whether it is one of training


@dataclass
class Run:
    """Captures of one site and form that follow each other, of which no more is kept than what differs.

    A few objects less for each matter: when many are alive, the garbage collector goes through all of a process.
    """

    pattern: Capture[Tensor]  # the first one, without its values and learning rates
    tier: float
    form: Any
    updates: list[int] = field(default_factory=list)
    rates: list[tuple[float | None, ...]] = field(default_factory=list)
    columns: list[list[Tensor]] = field(default_factory=list)  # copies of each value; stacked time steps are one tensor

    def append(self, capture: Capture[Tensor], copies: Sequence[Tensor]) -> None:
        """Add a capture, and copies of its values."""
        self.updates.append(capture.update)
        self.rates.append(capture.learning_rates)
        for column, copy in zip(self.columns, copies, strict=True):
            column.append(copy)

    def captures(self) -> list[Capture[Tensor]]:
        """Return the captures as they came."""
        captures = []
        for update, rates, *copies in zip(self.updates, self.rates, *self.columns, strict=True):
            values = copies[0].unbind() if self.pattern.stacked else tuple(copies)
            captures.append(replace(self.pattern, update=update, values=values, learning_rates=rates))
        return captures


@dataclass
class Waiting:
    """The captures that wait, by site and in their order."""

    by_site: dict[Key, list[Run]] = field(default_factory=dict)
    values: int = 0

    def add(self, capture: Capture[Tensor], tier: float) -> bool:
        """Keep a copy of a capture, if it may wait; return whether it does.

        What forward passes show waits where only tier 1 measures it; NaN that is to be told at once does not.
        """
        kind = capture.sites[0].kind
        if not capture.values or not (kind in OF_AN_UPDATE or (kind in OF_A_PASS and tier <= 1)):
            return False
        values = sum([value.numel() for value in capture.values])
        if values > MAX_VALUES:
            return False
        shown = [value.detach() for value in capture.values]
        copies = [torch.stack(shown)] if capture.stacked else [value.clone() for value in shown]
        if kind in TELLS_AT_ONCE and not all(map(is_finite, copies)):
            return False
        runs, form = self.by_site.setdefault(key_of(capture), []), form_of(capture, copies)
        if not runs or (runs[-1].form, runs[-1].tier) != (form, tier):
            runs.append(Run(replace(capture, values=(), learning_rates=()), tier, form, columns=[[] for _ in copies]))
        runs[-1].append(capture, copies)
        self.values += values
        return True

    def is_full(self, capture: Capture[Tensor]) -> bool:
        """Return whether what waits at the site of a capture, or at all of them, is to be measured."""
        waiting = sum([len(run.updates) for run in self.by_site[key_of(capture)]])
        return waiting >= MAX_WAITING or self.values >= MAX_VALUES_IN_ALL

    def take(self) -> list[Run]:
        """Return what waits, and keep nothing."""
        by_site, self.by_site, self.values = self.by_site, {}, 0
        return [run for runs in by_site.values() for run in runs]

    def take_before(self, capture: Capture[Tensor]) -> list[Run]:
        """Return what is to be measured before a capture, and keep nothing of it: what waits at its site, in its order.

        Timelines and norms add up in any order.
        """
        if capture.sites[0].kind in ADDED_IN_ANY_ORDER:
            return []
        runs = self.by_site.pop(key_of(capture), [])
        self.values -= sum(copy.numel() for run in runs for column in run.columns for copy in column)
        return runs


def key_of(capture: Capture[Tensor]) -> Key:
    """Return what tells the captures of one site from others."""
    return capture.sites[0].kind, capture.sites[0].name, capture.training


def form_of(capture: Capture[Tensor], copies: Sequence[Tensor]) -> Any:
    """Return what captures have in common that are measured together."""
    call = capture.loss_call, capture.layout, capture.stacked, capture.axes_in_doubt
    return capture.sites, call, [(copy.shape, copy.dtype, copy.device) for copy in copies]


def is_finite(values: Tensor) -> bool:
    """Return whether values are finite, as far as that can be told without waiting for the device."""
    return values.device.type != "cpu" or math.isfinite(values.sum(dtype=torch.float64))
