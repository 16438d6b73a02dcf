"""Holds the states: one a site and statistic, for the first forward, the recent ones and all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import torch
from torch import Tensor

from spikecheck.readings import InputReading
from spikecheck.site import FORWARD_KINDS, Capture, Site, SiteKind
from spikecheck.stats.base import State, Statistic, statistics
from spikecheck.stats.inputs import InputStats

WINDOWS = ("first", "recent", "all")


@dataclass
class Windows:
    """One statistic at one site: what came first, what came since the last look, what came in the look before."""

    sites: tuple[Site, ...]
    first: State
    current: State | None
    previous: State | None = None
    earlier: State | None = None

    def roll(self) -> None:
        """Begin a new window; the last two make up what is recent, so that it is never nearly empty."""
        if self.current is not None:
            self.earlier = joined(self.earlier, self.previous)
            self.previous, self.current = self.current, None

    def of(self, window: str) -> State | None:
        """The state of a window: "first", "recent" or "all"."""
        if window == "first":
            return self.first
        recent = joined(self.previous, self.current)
        return recent if window == "recent" else joined(self.earlier, recent)


def joined(a: State | None, b: State | None) -> State | None:
    """Two states as one, where either may be missing."""
    if a is None or b is None:
        return b if a is None else a
    return a + b


ReadingsByPlace = dict[tuple[SiteKind, str], dict[type[Any], Any]]


@dataclass
class Engine:
    """Counts captures in fixed memory. Training and evaluation are kept apart."""

    by_kind: Mapping[SiteKind, tuple[Statistic[Any], ...]] = field(default_factory=lambda: grouped())
    windows: dict[tuple[bool, Statistic[Any], tuple[SiteKind, str]], Windows] = field(default_factory=dict)

    @torch.no_grad()
    def receive(self, capture: Capture[Tensor]) -> None:
        """Count a capture. Never waits for the device."""
        for statistic in self.by_kind.get(capture.sites[0].kind, ()):
            key = (capture.training, statistic, (capture.sites[0].kind, capture.sites[0].name))
            windows = self.windows.get(key)
            if statistic.once and windows is not None and windows.current is not None:
                continue
            state = statistic.measure(capture)
            if windows is None:
                self.windows[key] = Windows(capture.sites, state, state)
            else:
                windows.sites = capture.sites
                windows.current = joined(windows.current, state)

    def snapshot(self) -> Engine:
        """Return an engine that keeps what was counted until now, while this one goes on counting."""
        return Engine(self.by_kind, {key: replace(windows) for key, windows in self.windows.items()})

    def roll(self) -> None:
        """Begin a new window at every site."""
        for windows in self.windows.values():
            windows.roll()

    @torch.no_grad()
    def read(self, window: str, *, training: bool = True) -> ReadingsByPlace:
        """What every site's statistics say of a window. Waits for the device."""
        found: ReadingsByPlace = {}
        for (of_training, statistic, _), windows in self.windows.items():
            state = windows.of(window)
            if belongs(of_training, statistic.kind, training) and state is not None and not state.is_meta:
                readings = statistic.summarize(state)
                for site, reading in zip(windows.sites, readings, strict=True):
                    found.setdefault((site.kind, site.name), {})[statistic.reading] = reading
        return found

    def windowed(
        self, training: bool, place: Callable[[Site], str], known: Mapping[str, object]
    ) -> Mapping[str, Mapping[str, Mapping[type[Any], Any]]]:
        """The readings of every window by place; what is `known` without tensors, a reading or a tuple, joins them."""
        homes = {(site.kind, site.name): place(site) for site in self.sites(training)}

        def read(window: str) -> dict[str, dict[type[Any], Any]]:
            found: dict[str, dict[type[Any], Any]] = {
                name: {type(reading): reading for reading in (told if isinstance(told, tuple) else (told,))}
                for name, told in known.items()
            }
            for key, readings in self.read(window, training=training).items():
                found.setdefault(homes[key], {}).update(readings)
            return found

        return Lazily(read)

    def sites(self, training: bool) -> tuple[Site, ...]:
        """Every site that anything came from, as it was seen last."""
        found = self.windows.items()  # what has an excerpt is counted as well, and need not be named twice
        windows = [w for (of, stat, _), w in found if belongs(of, stat.kind, training) and not stat.once]
        return tuple(site for w in windows for site in w.sites)

    def trained(self) -> bool:
        """Did any forward record gradients?"""
        return any(training and statistic.kind in FORWARD_KINDS for training, statistic, _ in self.windows)


def belongs(of_training: bool, kind: SiteKind, training: bool) -> bool:
    """Is it of the training, or of the evaluation? Parameters have the values that they have in both."""
    return of_training is training or kind not in FORWARD_KINDS


def grouped() -> dict[SiteKind, tuple[Statistic[Any], ...]]:
    """The statistics by the kind of site they count."""
    kinds: dict[SiteKind, tuple[Statistic[Any], ...]] = {}
    for statistic in statistics():
        kinds[statistic.kind] = (*kinds.get(statistic.kind, ()), statistic)
    return kinds


class Lazily(Mapping[str, Mapping[str, Mapping[type[Any], Any]]]):
    """The readings of each window by place, copied from the device when they are asked for."""

    def __init__(self, read: Callable[[str], dict[str, dict[type[Any], Any]]]) -> None:
        self._read = cache(read)

    def __getitem__(self, window: str) -> dict[str, dict[type[Any], Any]]:
        if window not in WINDOWS:
            raise KeyError(window)
        return self._read(window)

    def __iter__(self) -> Iterator[str]:
        return iter(WINDOWS)

    def __len__(self) -> int:
        return len(WINDOWS)


def values_of(x: Tensor) -> InputReading:
    """What values a tensor holds, for deciding what a layer is. Waits for the device."""
    statistic = InputStats()
    with torch.no_grad():
        return statistic.summarize(statistic.measure(Capture((Site(SiteKind.INPUT, "looked at"),), (x,))))[0]
