"""An input whose events all lie in one time bin."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import InputReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class OneBinInput(Check):
    """One time bin holds nearly all events of a sample.

    ## What it means
    Of the sum of a sample's values, {densest} or more lie in a single time step, averaged over the samples that hold
    anything, with {steps} steps or more, and {events} events or more a sample: of fewer, all lie in one step by chance.

    ## Why it matters
    What is left of time is one step. The layers are driven once, far above their threshold since the bin adds up the
    whole recording, and then decay in silence: whatever tells two classes apart by order or duration is gone. Measured
    with pairs of classes that are each other played backwards, accuracy is 53 % instead of 98 %. The usual reason is a
    window in another unit than the events' times, so that all of them fall into the first bin.

    ## Fix
    ```python any
    print(times.min(), times.max(), dt)  # the width of a bin in the unit of the events' times
    bins = ((times - times.min()) / (times.max() - times.min() + 1) * steps).astype(int)  # spread over all steps
    ```

    ## Intended when
    The stimulus is a single flash, and the network is to answer it later: `[tool.spikecheck.ignore] "SPK103" = "one
    flash, then a delay"`
    """

    id: ClassVar = "SPK103"
    slug: ClassVar = "one-bin-input"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.INPUT
    needs: ClassVar = (InputReading,)
    message: ClassVar = "{site} holds {densest:.0%} of a sample in one of its {steps} time bins"

    densest: float = limit(
        0.9,
        why="measured: 0.08 in healthy networks with 40 bins, 0.83 where two nearly empty bins hold all, 1.0 where "
        "one does",
    )
    steps: int = limit(4, why="derived: with two or three steps, one of them holds most of a short event by nature")

    events: float = limit(
        4.0, why="derived: of 4 events in 4 steps, all lie in one step once in 64 samples, and of 2 once in 4"
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where one step holds nearly all."""
        x = readings[InputReading]
        if x.steps is None or x.steps < self.steps or x.densest < self.densest or x.filled == 0:
            return
        if events(x) < self.events:
            return
        yield self.found(
            site,
            seen=Seen(
                "the fullest of {steps} bins holds {densest:.1%} of a sample; {filled} of {frames} bins hold anything",
                steps=x.steps,
                densest=x.densest,
                filled=x.filled,
                frames=x.frames,
            ),
            expected=Expected(
                "events spread over the bins: {even:.1%} in each, if even",
                because="one full bin leaves nothing of the order in time; the unit of time is the first suspect",
                even=1 / x.steps,
            ),
            weight=1,
        )


def events(x: InputReading) -> float:
    """How many events a sample holds that holds any: its active bins, or what they count."""
    in_all = max(float(x.active), x.count if x.negative == 0 else 0.0) * x.elements / max(1, x.looked_at)
    return in_all / max(1, x.samples - x.empty)
