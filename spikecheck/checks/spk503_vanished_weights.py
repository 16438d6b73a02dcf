"""Weights far below the scale of any initialiser."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log10
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.site import Site, SiteKind
from spikecheck.stored import StoredReading


@dataclass(frozen=True)
class VanishedWeights(Check):
    """Weights in the checkpoint have shrunk to nearly nothing.

    ## What it means
    The scale of a weight (root mean square times the root of its fan-in) is below {small}, and not exactly 0.
    Initialisers give 0.58 to 1.41. A weight of zeros throughout is the finding of another check.

    ## Why it matters
    With a scale of 0.01 and a tenth of 700 inputs active, a step drives a neuron at 0.003 of a threshold of 1: it
    cannot fire, and gets next to no gradient to grow by. The usual cause is weight decay without a gradient against it.

    ## Fix
    ```python any
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-4)  # less than it was
    ```

    ## Intended when
    The layer starts from nearly 0 on purpose, as the last one of a residual branch: `[tool.spikecheck.ignore]
    "SPK503:block.out.weight" = "starts at 0"`
    """

    id: ClassVar = "SPK503"
    slug: ClassVar = "vanished-weights"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.STORED
    needs: ClassVar = (StoredReading,)
    explained_by: ClassVar = ()
    message: ClassVar = "{site} has a scale of {scale:.3g}; initialisers give 0.6 to 1.4"

    small: float = limit(
        0.01, why="measured: 0.58 at least as drawn, 0.1 at least in networks that train; a tenth of that"
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where a weight's scale is below the limit and not 0."""
        weight = readings[StoredReading]
        if weight.role != "weight" or not weight.finite or not 0 < weight.scale < self.small:
            return
        yield self.found(
            site,
            seen=Seen(
                "rms {rms:.3g} * sqrt(fan-in {fan_in}) = {scale:.3g}",
                rms=weight.rms,
                fan_in=weight.fan_in,
                scale=weight.scale,
            ),
            expected=Expected(
                "a scale of about 0.6 to 1.4", because="weights this small do not drive a neuron to its threshold"
            ),
            weight=log10(self.small / weight.scale),
        )
