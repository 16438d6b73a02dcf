"""Feed all sinks of a monitor: when they get what, and what happens if one of them fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from spikecheck.checks.base import Observations
from spikecheck.diagnosis import Cause
from spikecheck.finding import Finding
from spikecheck.outside_text import MAX_SENTENCE, safe
from spikecheck.sinks.base import RunStart, Sink
from spikecheck.sinks.points import PointSeries

if TYPE_CHECKING:
    from spikecheck.evidence.evidence import Evidence
    from spikecheck.report.model import Report

FIRST_UPDATES = 256  # up to here, every evaluation gives a point: short runs are seen in detail
MIN_SECONDS = 0.25  # later, between two points; judgment call: nobody reads a live value faster
Key = tuple[str, str, str]


@dataclass
class SinkSet:
    """The sinks of one run. One that raises is told of nothing more; `failures` says which, for the user."""

    start: RunStart
    sinks: list[Sink] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    series: PointSeries = field(default_factory=PointSeries)
    announced: dict[Key, Finding] = field(default_factory=dict)  # of which the user was told, and which hold
    began: float = field(default_factory=time.perf_counter)
    latest: float = 0.0  # when the latest point was made
    has_begun: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether there is nobody to feed."""
        return not self.sinks

    def evaluated(
        self,
        observations: Observations,
        findings: Collection[Finding],
        causes: Iterable[Cause],
        read: Callable[[], Evidence],
    ) -> None:
        """Pass on an evaluation: the point, the root causes that the user is told of, and what holds no longer."""
        if self.is_empty:
            return
        update = self.start.first_update + observations.run.update
        self.begin()
        if self.is_point_due(observations.run.update):
            self.pass_point(observations)
        for cause in causes:
            self.announced |= {finding.key: finding for finding in (cause.finding, *cause.consequences)}
            self.each("finding", cause, update)
        holding = {finding.key for finding in findings}
        for key, finding in [(key, one) for key, one in self.announced.items() if key not in holding]:
            del self.announced[key]
            self.each("over", finding, update)
        self.each("state", read)

    def is_point_due(self, update: int) -> bool:
        """Return whether an evaluation at this update gives a point."""
        return update <= FIRST_UPDATES or time.perf_counter() - self.latest >= MIN_SECONDS

    def pass_point(self, observations: Observations) -> None:
        """Make a point of what was observed since the previous one."""
        self.latest = time.perf_counter()
        point = self.series.next(observations, self.latest - self.began, self.start.first_update)
        self.each("point", point)

    def begin(self) -> None:
        """Tell every sink once that the run began."""
        if not self.has_begun:
            self.has_begun = True
            self.each("begin", self.start)

    def end(self, evidence: Evidence, report: Report, error: str) -> None:
        """Pass on the last point, state and report; nothing follows them."""
        self.begin()
        if evidence.observations.run.update > self.series.update:
            self.pass_point(evidence.observations)
        self.each("state", lambda: evidence, final=True)
        self.each("end", report, error)
        self.sinks = []

    def each(self, method: str, *arguments: object, **named: object) -> None:
        """Call a method of every sink; one that raises is left out from then on."""
        for sink in list(self.sinks):
            try:
                getattr(sink, method)(*arguments, **named)
            except Exception as error:  # noqa: BLE001 - the monitor warns, training goes on
                self.sinks.remove(sink)
                text = f"{type(sink).__name__} failed and gets nothing more: {type(error).__name__}: {error}"
                self.failures.append(safe(text, MAX_SENTENCE))

    def take_failures(self) -> list[str]:
        """Return the failures of which the user was not told yet."""
        failures, self.failures = self.failures, []
        return failures
