"""Keep the states of all statistics, per site: of the first forward pass, the recent ones, and all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from math import inf
from typing import Any

import torch
from torch import Tensor

from spikecheck.readings import InputReading
from spikecheck.site import FORWARD_KINDS, Capture, Site, SiteKind
from spikecheck.stats.base import State, Statistic, statistics
from spikecheck.stats.inputs import InputStats
from spikecheck.stats.layout import Raster, RasterStatistic
from spikecheck.stats.waiting import Waiting

WINDOWS = ("first", "recent", "all")


@dataclass
class Windows:
    """The states of one statistic at one site: first capture, current window, previous window, and all earlier ones."""

    sites: tuple[Site, ...]
    first: State
    current: State | None
    previous: State | None = None
    earlier: State | None = None

    windowed: bool = True  # False: one state for the whole run
    read: dict[str, tuple[State, tuple[Any, ...]]] = field(default_factory=dict)  # by window; shared with snapshots
    sum_of_recent: tuple[State | None, State | None, State | None] = (None, None, None)  # with what was added

    def roll(self) -> None:
        """Start a new window. "Recent" is the last two windows, so it is never almost empty."""
        if self.windowed and self.current is not None:
            self.earlier = merge_optional(self.earlier, self.previous)
            self.previous, self.current = self.current, None

    def of(self, window: str) -> State | None:
        """Return the state of a window: "first", "recent" or "all"."""
        if not self.windowed:
            return self.current
        if window == "first":
            return self.first
        if self.sum_of_recent[0] is not self.previous or self.sum_of_recent[1] is not self.current:
            self.sum_of_recent = self.previous, self.current, merge_optional(self.previous, self.current)
        recent = self.sum_of_recent[2]
        return recent if window == "recent" else merge_optional(self.earlier, recent)

    def readings(self, window: str, statistic: Statistic[Any]) -> tuple[Any, ...]:
        """Return the readings of a window, one per site; none of meta tensors. Waits for the device."""
        state = self.of(window)
        if state is None or state.is_meta:
            return ()
        for known, readings in tuple(self.read.values()):  # also of another window: all of them begin as one
            if known is state:
                return readings
        readings = statistic.summarize(state)
        if window != "all" or self.earlier is None:  # else the state is a sum that nobody keeps
            self.read[window] = state, readings
        return readings


def merge_optional(a: State | None, b: State | None) -> State | None:
    """Merge two states, either of which may be None."""
    if a is None or b is None:
        return b if a is None else a
    return a + b


ReadingsByPlace = dict[tuple[SiteKind, str], dict[type[Any], Any]]


@dataclass
class Engine:
    """Measures captures in fixed memory; training and evaluation are kept separate."""

    by_kind: Mapping[SiteKind, tuple[Statistic[Any], ...]] = field(default_factory=lambda: statistics_by_kind())
    windows: dict[tuple[bool, Statistic[Any], tuple[SiteKind, str]], Windows] = field(default_factory=dict)
    failed: Callable[[Exception], object] | None = None  # told of an error in one statistic; the others are read
    waiting: Waiting = field(default_factory=Waiting)
    broken: set[Any] = field(default_factory=set)  # keys of the windows with values that are not finite
    has_new_break: bool = False  # whether one was added since `breaks` was asked

    def receive(self, capture: Capture[Tensor], tier: float = 2) -> None:
        """Measure a capture with the statistics up to this tier, now or with later ones. Never waits for the device."""
        lowest, highest = tiers_of(self.by_kind.get(capture.sites[0].kind, ()))
        if tier < lowest:
            return
        tier = min(tier, highest)
        if not self.waiting.add(capture, tier):
            for run in self.waiting.take_before(capture):
                self.measure(run.captures(), run.tier)
            self.measure([capture], tier)
        elif self.waiting.is_full(capture):
            self.measure_waiting()

    def receive_parameters(self, capture: Capture[Tensor] | None) -> None:
        """Measure the parameters as they are now; where none is left to look at, forget what they were.

        So it is once they are sharded: what was measured before would be taken for the present.
        """
        if capture is not None:
            self.receive(capture)
            return
        for key in [key for key in self.windows if key[2][0] is SiteKind.PARAMETER]:
            del self.windows[key]

    def measure_waiting(self) -> None:
        """Measure what waits, that of each site in its order."""
        for run in self.waiting.take():
            self.measure(run.captures(), run.tier)

    @torch.no_grad()
    def measure(self, captures: Sequence[Capture[Tensor]], tier: float) -> None:
        """Measure captures of one form with the statistics up to this tier."""
        capture = captures[-1]
        statistics = up_to_tier(self.by_kind.get(capture.sites[0].kind, ()), tier)
        raster = Raster(capture, whole=any(one.tier > 1 for one in statistics))
        for statistic in statistics:
            key = (capture.training, statistic, (capture.sites[0].kind, capture.sites[0].name))
            windows = self.windows.get(key)
            if statistic.one_pass == "first" and windows is not None and windows.current is not None:
                continue
            if len(captures) > 1:
                state = statistic.measure_many(captures)
            elif isinstance(statistic, RasterStatistic):
                state = statistic.measure_raster(raster)
            else:
                state = statistic.measure(capture)
            if state.shows_break and key not in self.broken:
                self.broken.add(key)
                self.has_new_break = True
            if windows is None or windows.sites != capture.sites:  # parameters were replaced, or joined by others
                first = statistic.measure(captures[0]) if len(captures) > 1 else state
                self.windows[key] = Windows(capture.sites, first, state, windowed=statistic.windowed)
            else:
                windows.sites = capture.sites
                windows.current = merge_optional(windows.current, state)

    def breaks(self) -> bool:
        """Return whether values that are not finite are new at any site. Never waits for the device."""
        is_new, self.has_new_break = self.has_new_break, False
        return is_new

    def snapshot(self, failed: Callable[[Exception], object] | None = None) -> Engine:
        """Return an engine with the present states; this one continues to measure."""
        self.measure_waiting()
        return Engine(self.by_kind, {key: Windows(**vars(windows)) for key, windows in self.windows.items()}, failed)

    def roll(self) -> None:
        """Start a new window at every site."""
        self.measure_waiting()
        for windows in self.windows.values():
            windows.roll()

    @torch.no_grad()
    def read(self, window: str, *, training: bool = True, windowed: bool | None = None) -> ReadingsByPlace:
        """Return the readings of every site for a window. Waits for the device.

        Args:
            window: "first", "recent" or "all".
            training: whether to read the forward passes of training, or those of evaluation.
            windowed: read only the statistics that differ between windows, or only those that do not.
        """
        self.measure_waiting()
        readings_by_place: ReadingsByPlace = {}
        for (of_training, statistic, _), windows in self.windows.items():
            belongs = belongs_to(of_training, statistic.kind, training)
            kind = statistic.reading if belongs else statistic.evaluation_reading if training else None
            if kind is None:
                continue
            if windowed is not None and statistic.windowed is not windowed:
                continue
            try:
                readings = windows.readings(window, statistic)
            except Exception as error:
                if self.failed is None:
                    raise
                self.failed(error)
                continue
            for site, reading in zip(windows.sites, readings, strict=bool(readings)):
                made = reading if belongs else kind(*(getattr(reading, one.name) for one in fields(reading)))
                readings_by_place.setdefault((site.kind, site.name), {})[kind] = made
        return readings_by_place

    def windowed(
        self, training: bool, place: Callable[[Site], str], known: Mapping[str, object]
    ) -> Mapping[str, Mapping[str, Mapping[type[Any], Any]]]:
        """Return the readings of every window by place.

        `known` adds readings that need no tensors, one reading or a tuple per place.
        """
        place_of_site = {(site.kind, site.name): place(site) for site in self.sites(training)}

        @cache
        def whole() -> ReadingsByPlace:
            return self.read("all", training=training, windowed=False)

        def read(window: str) -> dict[str, dict[type[Any], Any]]:
            readings_by_place: dict[str, dict[type[Any], Any]] = {
                name: {type(one): one for one in (readings if isinstance(readings, tuple) else (readings,))}
                for name, readings in known.items()
            }
            every = whole() if window != "first" else {}  # it holds what the first forward pass alone shows
            for made in (self.read(window, training=training, windowed=True), every):
                for key, readings in made.items():
                    if key not in place_of_site:  # a site of evaluation alone
                        continue
                    readings_by_place.setdefault(place_of_site[key], {}).update(readings)
            return readings_by_place

        return WindowReadings(read)

    def sites(self, training: bool) -> tuple[Site, ...]:
        """Return every site with captures, in its latest form."""
        self.measure_waiting()
        windows = [w for (of, stat, _), w in self.windows.items() if belongs_to(of, stat.kind, training)]
        return tuple({site: site for w in windows for site in w.sites}.values())  # several statistics measure a site

    def trained(self) -> bool:
        """Return whether any forward pass recorded gradients."""
        self.measure_waiting()
        return any(training and statistic.kind in FORWARD_KINDS for training, statistic, _ in self.windows)


@cache
def tiers_of(statistics: tuple[Statistic[Any], ...]) -> tuple[float, float]:
    """Return the lowest and the highest tier; without any statistic, the lowest is higher than any."""
    tiers = [statistic.tier for statistic in statistics]
    return min(tiers, default=inf), max(tiers, default=inf)


@cache
def up_to_tier(statistics: tuple[Statistic[Any], ...], tier: float) -> tuple[Statistic[Any], ...]:
    """Return the statistics up to a tier."""
    return tuple(statistic for statistic in statistics if statistic.tier <= tier)


def belongs_to(of_training: bool, kind: SiteKind, training: bool) -> bool:
    """Return whether a state belongs to training (or to evaluation); parameters belong to both."""
    return of_training is training or kind not in FORWARD_KINDS


def statistics_by_kind() -> dict[SiteKind, tuple[Statistic[Any], ...]]:
    """Return the statistics by kind of site."""
    kinds: dict[SiteKind, tuple[Statistic[Any], ...]] = {}
    for statistic in statistics():
        kinds[statistic.kind] = (*kinds.get(statistic.kind, ()), statistic)
    return kinds


class WindowReadings(Mapping[str, Mapping[str, Mapping[type[Any], Any]]]):
    """The readings of each window by place, copied from the device on first access."""

    def __init__(self, read: Callable[[str], dict[str, dict[type[Any], Any]]]) -> None:
        self._read = cache(read)

    def __getitem__(self, window: str) -> dict[str, dict[type[Any], Any]]:
        if window not in WINDOWS:
            raise KeyError(window)
        return self._read(window)

    def get(self, window: str, default: Any = None) -> Any:
        """Return the readings of a window; asked thousands of times for a report, and so without an exception."""
        return self._read(window) if window in WINDOWS else default

    def __iter__(self) -> Iterator[str]:
        return iter(WINDOWS)

    def __len__(self) -> int:
        return len(WINDOWS)


def measure_values(x: Tensor) -> InputReading:
    """Return the value statistics of a tensor, to classify a layer. Waits for the device."""
    statistic = InputStats()
    with torch.no_grad():
        return statistic.summarize(statistic.measure(Capture((Site(SiteKind.INPUT, "tensor"),), (x,))))[0]
