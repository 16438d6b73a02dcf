"""Activity that grows from layer to layer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.layers import rates_to
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import SpikeReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class ExplodingActivity(Check):
    """The layers fire more and more, from the first to the last.

    ## What it means
    Of {layers} spiking layers or more, none fires less often than the one before, and the last fires {rate} times a
    step or more, {times} times as often as the first. That factor holds in the first forward too.

    ## Why it matters
    Each layer gets more spikes than the one before, and the last is near saturation: its neurons tell the input's
    patterns apart no longer. Where neurons may spike several times a step, the rates multiply from layer to layer, and
    gradients with them.

    ## Fix
    ```python any
    linear.weight.data /= 3  # before each layer that fires more than the one before; or higher thresholds
    ```

    ## Intended when
    The layers are to amplify a very sparse input: `[tool.spikecheck.ignore] "SPK212" = "amplifier, by design"`
    """

    id: ClassVar = "SPK212"
    slug: ClassVar = "exploding-activity"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.SPIKES
    needs: ClassVar = (SpikeReading,)
    explained_by: ClassVar = (
        "SPK101",
        "SPK201",
        "SPK204",
        "SPK206",
        "SPK207",
        "SPK210",
        "SPK406",
    )
    passes: ClassVar = True
    message: ClassVar = (
        "activity grows over {layers} layers: {first:.2g} spikes a step in the first, {last:.2g} in {site}"
    )

    layers: int = limit(3, why="taste: two layers are no trend")
    rate: float = limit(0.5, why="taste: more than every second step is half way to saturation")
    times: float = limit(4.0, why="taste: from the first layer to the last; not measured on networks")
    patience: int = limit(10, why="taste: as for a silent layer, since rates may settle in the first batches")

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding at the last layer, where the rates of all rise from the first to it."""
        seen = rates_to(site, readings, self.patience)
        if seen is None:
            return
        rates, start = seen
        if len(rates) < self.layers or not all(b >= a for a, b in pairwise(rates)):
            return
        if rates[-1] < max(self.rate, self.times * rates[0]) or start[-1] < self.times * start[0]:
            return
        yield self.found(
            site,
            seen=Seen(
                "spikes per neuron and step, layer by layer: {rates}", rates=", ".join(f"{r:.2g}" for r in rates)
            ),
            expected=Expected(
                "rates of one order in all layers",
                because="a drive follows the rates before it: weights that are too large for them add to it",
            ),
            first=rates[0],
            last=rates[-1],
            layers=len(rates),
            weight=1,
        )
