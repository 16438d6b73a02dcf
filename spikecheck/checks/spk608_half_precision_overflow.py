"""A loss that is finite in 32-bit numbers alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.experiment_readings import PrecisionReading
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class HalfPrecisionOverflow(Check):
    """The loss is not finite with 16-bit numbers, and finite with 32-bit numbers.

    ## What it means
    A value is too large for float16, whose maximum is 65,504: counts or potentials that are summed over many time
    steps, or their squares. The sum becomes infinite, and the loss NaN.

    ## Example
    ```python broken
    energy = (potential.half() ** 2).sum(0)
    loss = criterion(energy, y)
    ```
    ```python repaired
    energy = (potential.float() ** 2).sum(0)
    loss = criterion(energy, y)
    ```

    ## Fix
    ```python any
    # compute sums over time and the loss in 32 bits, or use bfloat16, which has the range of float32
    with torch.autocast("cuda", dtype=torch.bfloat16):
        output = model(x)
    ```

    ## When it is intended
    Never: the loss is not finite.
    ```toml
    [tool.spikecheck.ignore]
    "SPK608" = "loss scaling skips these updates"
    ```

    ## How it is decided
    `spikecheck.examine` trains a copy for a few updates (at least {min_updates}), and once more with every 16-bit
    number that an operation creates replaced by one of 32 bits. The check fires if all losses of the second run are
    finite, and one of the first is not.
    """

    id: ClassVar = "SPK608"
    slug: ClassVar = "half-precision-overflow"
    severity: ClassVar = Severity.ERROR
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.EXPERIMENT
    needs: ClassVar = (PrecisionReading,)
    explains: ClassVar = ("SPK405",)
    message: ClassVar = "the loss is not finite in {reduced}, and finite in float32"

    min_updates: int = limit(1, why="derived: one update with a loss that is not finite is enough", minimum=1)

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where 32 bits alone give finite losses."""
        reading = readings[PrecisionReading]
        if reading.finite or not reading.full_precision_finite or reading.updates < self.min_updates:
            return
        yield self.finding(
            site,
            observed=Observed(
                "in {updates} updates, a loss is NaN or infinite with {reduced}, none with float32",
                updates=reading.updates,
                reduced=reading.reduced,
            ),
            expected=Expected("finite losses with both", because="reduced precision should only cost digits"),
            when=Moment(),
        )
