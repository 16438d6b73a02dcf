"""An input in which next to nothing comes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log10
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import InputReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class EmptyInput(Check):
    """Most time bins of the input hold nothing.

    ## What it means
    A bin here is one step of one sample, over all channels. Less than a share of {filled} of them hold any event; or a
    share of {empty} or more of the samples hold none at all.

    ## Why it matters
    A layer fires only for what comes in, and a leaky neuron forgets it before the next event comes: with a decay of
    0.9, a step's drive has shrunk to an eighth after 20 empty steps. Layers fall silent, and the loss stays at chance.
    The usual reason is a unit of time: times in microseconds read as milliseconds, or a window of bins that covers the
    beginning of a recording alone.

    ## Fix
    ```python any
    print(times.min(), times.max(), steps * dt)  # are the events' times and the window of the bins in the same unit?
    print((x != 0).any(-1).float().mean())  # the share of bins that hold anything
    ```

    ## Intended when
    Events are rare by nature, and the decay bridges the pauses: `[tool.spikecheck.ignore] "SPK102" = "one event a
    second, tau = 5 s"`
    """

    id: ClassVar = "SPK102"
    slug: ClassVar = "empty-input"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.INPUT
    needs: ClassVar = (InputReading,)
    explained_by: ClassVar = ("SPK103",)
    message: ClassVar = "{site} is empty in {share:.0%} of its time bins"

    filled: float = limit(
        0.1,
        why="measured: 0.84 of the bins hold an event in healthy networks, 0.03 where two bins were spread over 40; "
        "in between, taste",
    )
    empty: float = limit(
        0.5, why="taste: where half of the samples hold nothing, no network tells more than half of them apart"
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where too few bins, or samples, hold anything; an error where none does."""
        x = readings[InputReading]
        if not x.frames or not x.elements or x.non_finite.count:
            return
        filled, empty = x.filled / x.frames, x.empty / max(1, x.samples)
        if filled >= self.filled and empty < self.empty:
            return
        yield self.found(
            site,
            severity=Severity.WARNING if x.filled else Severity.ERROR,
            seen=Seen(
                "{filled} of {frames} time bins hold any event; {empty} of {samples} samples hold none",
                filled=x.filled,
                frames=x.frames,
                empty=x.empty,
                samples=x.samples,
            ),
            expected=Expected(
                "events in {wanted:.0%} of the bins or more",
                because="a leak forgets what came before a long pause; the unit of time is the first suspect",
                wanted=self.filled,
            ),
            share=1 - filled,
            weight=log10(self.filled / filled) if 0 < filled < self.filled else 1,
        )
