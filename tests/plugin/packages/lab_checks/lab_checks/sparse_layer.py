"""A layer that fires too seldom for the lab's chip."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.plugin import (
    Check,
    Expected,
    Finding,
    Observed,
    Readings,
    Severity,
    Site,
    SiteKind,
    SpikeReading,
    limit,
)


@dataclass(frozen=True)
class SparseLayer(Check):
    """A spiking layer fires too seldom for the chip.

    ## What it means
    The layer fires less than the chip needs to keep it switched on.

    ## Example
    ```python broken
    self.fc1 = nn.Linear(8, 12)
    self.clicks1 = Clicks(threshold=5.0)
    ```
    ```python repaired
    self.fc1 = nn.Linear(8, 12)
    self.clicks1 = Clicks(threshold=0.5)
    ```

    ## Fix
    ```python any
    layer.threshold = 0.5  # half of what it was
    ```

    ## When it is intended
    The network is not for the chip.

    ## How it is decided
    The layer emits fewer than {min_rate} spikes per neuron per time step.
    """

    id: ClassVar = "LAB001"
    slug: ClassVar = "sparse-layer"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.SPIKES
    needs: ClassVar = (SpikeReading,)
    explained_by: ClassVar = ("SPK205",)
    explains: ClassVar = ("SPK302",)
    message: ClassVar = "{site} fires {rate:n} times per neuron per time step"

    min_rate: float = limit(0.9, why="data sheet of the chip, page 12")

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where the rate is below the limit."""
        rate = readings[SpikeReading].rate
        if rate is not None and rate < self.min_rate:
            yield self.finding(
                site,
                observed=Observed("{rate:n} spikes per neuron per time step", rate=rate),
                expected=Expected("{min_rate:n} or more", min_rate=self.min_rate),
            )
