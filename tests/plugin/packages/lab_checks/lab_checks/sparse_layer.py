"""A layer that fires too seldom for the lab's chip."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import SpikeReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class SparseLayer(Check):
    """A spiking layer fires too seldom for the chip.

    ## What it means
    The layer emits fewer than {rate} spikes per neuron per step.

    ## Why it matters
    The chip switches such a layer off.

    ## Fix
    ```python any
    layer.threshold = 0.5  # half of what it was
    ```

    ## Intended when
    The network is not for the chip.
    """

    id: ClassVar = "LAB001"
    slug: ClassVar = "sparse-layer"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.SPIKES
    needs: ClassVar = (SpikeReading,)
    explained_by: ClassVar = ("SPK205",)
    message: ClassVar = "{site} fires {rate:.3g} times per neuron per step"

    rate: float = limit(0.9, why="data sheet of the chip, page 12")

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where the rate is below the limit."""
        rate = readings[SpikeReading].rate
        if rate is not None and rate < self.rate:
            yield self.finding(
                site,
                observed=Observed("{rate:.3g} spikes per neuron per step", rate=rate),
                expected=Expected("{least} or more", least=self.rate),
            )
