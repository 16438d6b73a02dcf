"""Labels that name no class."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import TargetReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class TargetOutOfRange(Check):
    """A label names a class that the network has no output for.

    ## What it means
    A classification loss was given a class index below 0, or not below the number of logits of a row. Labels that the
    loss was told to pass over (`ignore_index`, -100 unless set) are not counted.

    ## Why it matters
    On a CPU torch refuses, with "Target 20 is out of bounds". On a GPU the kernel stops with "device-side assert
    triggered", in whatever line waits for the device next, and the process has to be started anew. Most often the
    labels count from 1, or the last layer is one output short. Labels that count from 1 and never reach the last class
    of a layer that is too large are shifted all the same, and nothing complains.

    ## Fix
    ```python any
    y = y - y.min()  # labels that count from 1; or as many outputs in the last layer as there are classes
    ```

    ## Intended when
    Never: where some samples are to be left out, give them the label of `ignore_index`.
    """

    id: ClassVar = "SPK306"
    slug: ClassVar = "target-out-of-range"
    severity: ClassVar = Severity.ERROR
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.TARGETS
    needs: ClassVar = (TargetReading,)
    message: ClassVar = "{site} are {lowest} to {highest} for {classes} classes, 0 to {last}"

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where any label has no class."""
        targets = readings.all[TargetReading]
        if targets.outside == 0 or targets.classes is None:
            return
        yield self.found(
            site,
            seen=Seen(
                "{outside} of {samples} labels are outside; the lowest is {lowest}, the highest {highest}",
                outside=targets.outside,
                samples=targets.samples,
                lowest=targets.lowest,
                highest=targets.highest,
            ),
            expected=Expected(
                "labels from 0 to {last}",
                last=targets.classes - 1,
                because="a row has one logit a class, counted from 0",
            ),
            classes=targets.classes,
            last=targets.classes - 1,
        )
