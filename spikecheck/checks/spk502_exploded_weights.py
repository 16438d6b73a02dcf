"""Weights far above the scale of any initialiser."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, log10
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.site import Site, SiteKind
from spikecheck.stored import StoredReading


@dataclass(frozen=True)
class ExplodedWeights(Check):
    """Weights in the checkpoint are far larger than initialisers and training make them.

    ## What it means
    The scale of a weight is its root mean square times the root of its fan-in: 0.58 as `nn.Linear` draws it, 1.41 as He
    does, for any width. Found is a scale above {large}; above {exploded} it is an error. Tables of embeddings are left
    alone: nothing is summed over their rows.

    ## Why it matters
    After a divergence the loss may look calm again, because spikes are bounded, while a layer fires by the sign of its
    weights alone: no update of ordinary size changes that. Measured: 0.6 to 3.7 in healthy trained networks; N(0, 1)
    gives 16 with 256 inputs; one layer trained with a learning rate of 3e4 for 12 updates has 527.

    ## Fix
    ```python any
    # a lower learning rate from an earlier checkpoint on; or draw the layer anew:
    torch.nn.init.kaiming_uniform_(layer.weight, a=5**0.5)
    ```

    ## Intended when
    The layer works in units of its own, such as millivolts: `[tool.spikecheck.ignore]
    "SPK502:fc1.weight" = "converted weights in millivolts"`
    """

    id: ClassVar = "SPK502"
    slug: ClassVar = "exploded-weights"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.STORED
    needs: ClassVar = (StoredReading,)
    explained_by: ClassVar = ("SPK501",)
    message: ClassVar = "{site} has a scale of {scale:.3g}; initialisers give 0.6 to 1.4"

    large: float = limit(10.0, why="measured: healthy trained networks up to 3.7; N(0, 1) gives 16 with 256 inputs")
    exploded: float = limit(
        100.0, why="derived: N(0, 1) stays below it for any fan-in up to 10,000; only divergence goes on"
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where a weight's scale is above the limit."""
        weight = readings[StoredReading]
        if weight.role != "weight" or "embed" in site.name.lower() or not weight.scale > self.large:
            return
        yield self.found(
            site,
            severity=Severity.ERROR if weight.scale > self.exploded else Severity.WARNING,
            seen=Seen(
                "rms {rms:.3g} * sqrt(fan-in {fan_in}) = {scale:.3g}, values {low:.3g} to {high:.3g}",
                rms=weight.rms,
                fan_in=weight.fan_in,
                scale=weight.scale,
                low=weight.minimum,
                high=weight.maximum,
            ),
            expected=Expected(
                "a scale of about 0.6 to 1.4, and up to 4 when trained", because="it does not depend on the width"
            ),
            weight=log10(weight.scale / self.large) if weight.scale < inf else inf,
        )
