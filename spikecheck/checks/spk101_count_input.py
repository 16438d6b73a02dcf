"""The input counts events where binary spikes are expected."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log10
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.layers import STRONG, WHY_STRONG, entrance, listed
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import InputReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class CountInput(Check):
    """The input holds counts of events, not binary spikes.

    ## What it means
    Every value of the input is a whole number, none is negative, and some bins hold more than 1. Frames are made by
    adding up the events of a bin: `ToFrame` does so. It is a warning where binarizing would shrink the input by
    {average} or more and the first spiking layer gets {strong} thresholds a step or more, or by {alone} or more and it
    gets {more}; where its threshold is not known, from {alone} on. Else it is a note.

    ## Why it matters
    A bin of 5 drives the first layer five times as much as a spike. How much that matters is told by the mean of the
    active bins, the factor by which binarizing would shrink the input, and by the drive that comes of it. Measured on
    spoken digits in 100 bins, the mean is 1.05, and binarizing changes the first layer's drive by 7 %: a bystander.
    With a mean of 6 and 10 thresholds a step, a network stayed at 11 % accuracy, and learned to 97 % with binary input.

    ## Fix
    ```python any
    x = (x > 0).float()  # before the model: a bin holds a spike or none
    # to keep the counts, make bins shorter, or scale them to the weights: x = x / x[x > 0].mean()
    ```

    ## Intended when
    The counts are the code, and the weights or the threshold were chosen for their scale: `[tool.spikecheck.ignore]
    "SPK101" = "counts on purpose; the first weights are scaled for them"`
    """

    id: ClassVar = "SPK101"
    slug: ClassVar = "count-input"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.INPUT
    needs: ClassVar = (InputReading,)
    explained_by: ClassVar = ("SPK103",)
    message: ClassVar = "{site} holds counts: 0 to {highest:g}, {average:.3g} in the average active bin"

    average: float = limit(
        2.0,
        why="derived: from 2 on, binarizing takes half of the drive or more away; measured: 1.25 at most in healthy "
        "networks with small counts, 6.0 where binarizing took one from 11 % to 97 %",
    )
    strong: float = limit(STRONG, why=WHY_STRONG)
    more: float = limit(
        3.5, why="measured: the most thresholds a step, root mean square, that a healthy network shows without counts"
    )
    alone: float = limit(
        5.0, why="measured: a network with a mean of 4.1 and 6.0 thresholds a step learns, one with 6.0 and 10 does not"
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where whole numbers go above 1; int64 is left alone, since indices of an embedding are so."""
        x = readings[InputReading]
        average = x.per_active_bin
        counted = x.minimum >= 0 and x.maximum > 1 and x.not_integer == 0 and x.dtype != "int64"
        if not counted or average is None:
            return
        times = entrance(readings)
        many, most = average >= self.average, average >= self.alone
        grave = most if times is None else (many and times >= self.strong) or (most and times >= self.more)
        yield self.found(
            site,
            severity=Severity.WARNING if grave else Severity.NOTE,
            seen=Seen(
                "values {lowest:g} to {highest:g} ({values}); {share:.1%} of the active bins are above 1; "
                "the average active bin holds {average:.3g}",
                lowest=x.minimum,
                highest=x.maximum,
                values=listed(x.values),
                share=x.above_one / x.active,
                average=average,
            ),
            expected=Expected(
                "0 or 1 in every bin",
                because=f"sums of a bin's events drive the first layer {average:.3g} times as much as binary spikes",
            ),
            weight=log10(max(average, 1) / self.average),
        )
