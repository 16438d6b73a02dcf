"""Counts that were stored in too small an integer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import InputReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class WrappedCounts(Check):
    """Counts were stored in too small an integer, and wrapped to negative values.

    ## What it means
    The smallest and the largest value are the two ends of a signed integer of {short} or {long} bits (-128 and 127, or
    -32768 and 32767), whatever the values were multiplied by afterwards, and the smallest values lie on that integer's
    grid. Counts that overflow an unsigned byte begin at 0 again; that leaves no trace in the values, and cannot be
    seen.

    ## Why it matters
    A bin with 130 events holds -126: the more comes in, the more it inhibits. The busiest channels have random signs,
    and what the network is given is no longer in order of size. Measured, accuracy is 21 % instead of 99 %.

    ## Fix
    ```python any
    frames = frames.astype("int32")  # before events are added up, in place of int8 or int16
    x = torch.as_tensor(frames, dtype=torch.float32)
    ```

    ## Intended when
    The input is a signal that was quantised with a sign, and uses the whole range: `[tool.spikecheck.ignore] "SPK107" =
    "8-bit audio"`
    """

    id: ClassVar = "SPK107"
    slug: ClassVar = "wrapped-counts"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.INPUT
    needs: ClassVar = (InputReading,)
    message: ClassVar = "{site} fills a signed {bits}-bit integer: {lowest:.4g} to {highest:.4g} on its grid"

    short: int = limit(8, why="derived: bits of the smallest integer that frames are stored in")
    long: int = limit(16, why="derived: bits of the next larger one")
    close: float = limit(
        1e-6, why="derived: what float32 rounds; the ends of 16 bits differ from a symmetric range by 3e-5"
    )
    off: float = limit(
        0.01, why="taste: by how much of a step of the grid a value may be off; rounding makes 0.001 at 8 bits"
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where the extremes are an integer type's own, and the values lie on its grid."""
        x = readings[InputReading]
        if x.minimum >= 0 or x.maximum <= 0 or x.non_finite.count:
            return
        for bits in (self.short, self.long):
            levels = (1 << bits) - 1
            unit = (x.maximum - x.minimum) / levels
            ends = x.minimum + (1 << (bits - 1)) * unit
            steps = [value / unit for value in x.values]
            if abs(ends) > self.close * -x.minimum or any(abs(step - round(step)) > self.off for step in steps):
                continue
            yield self.found(
                site,
                seen=Seen(
                    "values from {lowest:.6g} to {highest:.6g} in steps of {unit:.3g}; {negative} of {looked_at} are "
                    "below 0",
                    lowest=x.minimum,
                    highest=x.maximum,
                    unit=unit,
                    negative=x.negative,
                    looked_at=x.looked_at,
                ),
                expected=Expected(
                    "counts of 0 or more", because=f"these are the ends of a signed integer of {bits} bits"
                ),
                bits=bits,
                weight=1,
            )
