"""Activity that fades from layer to layer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.layers import rates_to
from spikecheck.checks.progress import learning
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import SpikeReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class FadingActivity(Check):
    """The layers fire less and less, from the first to the last.

    ## What it means
    Of {layers} spiking layers or more, none fires more often than the one before, and the last has a share of {share}
    or less of the rate of the first, now and in the first forward: where training alone has silenced the last layer,
    the set-up is not at fault. It is a note where the last layer fires and a loss falls: there is enough to learn from.

    ## Why it matters
    What reaches the loss are the spikes of the last layer, and what reaches a layer's weights passes all surrogates
    behind it. Where each layer fires a tenth as often as the one before, three layers leave a thousandth, and a layer
    more falls silent. The weights between the layers are too small for the rates that come in, or the thresholds too
    high.

    ## Fix
    ```python any
    linear.weight.data *= 3  # before each layer that fires less than the one before; or a normalisation in between
    ```
    ```python spikingjelly
    layer.decay_input = False  # True divides the input of every layer by tau
    ```

    ## Intended when
    A readout is to fire rarely, behind layers that thin out on purpose: `[tool.spikecheck.ignore] "SPK211" = "sparse
    code, by layers"`
    """

    id: ClassVar = "SPK211"
    slug: ClassVar = "fading-activity"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.SPIKES
    needs: ClassVar = (SpikeReading,)
    explained_by: ClassVar = (
        "SPK102",
        "SPK103",
        "SPK104",
        "SPK106",
        "SPK203",
        "SPK205",
        "SPK206",
        "SPK207",
        "SPK209",
        "SPK214",
        "SPK215",
        "SPK406",
    )
    passes: ClassVar = True
    soon_mended: ClassVar = True  # the last layer fires: with the first loss that falls, it was a note already
    message: ClassVar = (
        "activity fades over {layers} layers: {first:.2g} spikes a step in the first, {last:.2g} in {site}"
    )

    layers: int = limit(3, why="taste: two layers are no trend")
    share: float = limit(
        0.02,
        why="measured: 0 where deep layers fall silent, 0.9 in the same network when healthy; taste in between",
    )
    patience: int = limit(10, why="taste: as for a silent layer, since layers may wake up in the first batches")

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding at the last layer, where the rates of all fall from the first to it."""
        seen = rates_to(site, readings, self.patience)
        if seen is None:
            return
        rates, start = seen
        if len(rates) < self.layers or not all(b <= a for a, b in pairwise(rates)):
            return
        if rates[-1] > self.share * rates[0] or start[-1] > self.share * start[0]:
            return
        yield self.found(
            site,
            severity=Severity.NOTE if rates[-1] and learning(readings) else Severity.WARNING,
            seen=Seen(
                "spikes per neuron and step, layer by layer: {rates}", rates=", ".join(f"{r:.2g}" for r in rates)
            ),
            expected=Expected(
                "rates of one order in all layers",
                because="a drive follows the rates before it: weights that are too small for them thin it out further",
            ),
            first=rates[0],
            last=rates[-1],
            layers=len(rates),
            weight=1,
        )
