"""Counts that were stored in too small an integer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import InputReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class WrappedCounts(Check):
    """Counts overflowed a small integer type and became negative.

    ## What it means
    The frames were stored as `int8` or `int16`, and bins with many events wrapped around: a bin with 130 events holds
    -126 in `int8`. The busiest bins turn negative: 128 events become -128, 200 become -56, and at 256 the count is back
    at 0.

    ## Example
    ```python broken
    frames = np.zeros((100, 700), dtype=np.int8)
    np.add.at(frames, (step, unit), 1)  # 127 + 1 becomes -128
    x = torch.as_tensor(frames, dtype=torch.float32)
    for x_t in x:
        spikes, mem = lif1(fc1(x_t), mem)
    ```
    ```python repaired
    frames = np.zeros((100, 700), dtype=np.int32)
    np.add.at(frames, (step, unit), 1)
    x = torch.as_tensor(frames, dtype=torch.float32)
    for x_t in x:
        spikes, mem = lif1(fc1(x_t), mem)
    ```

    ## Fix
    ```python any
    import numpy as np

    # count in int32: converting the frames afterwards comes too late
    frames = np.zeros((steps, channels), dtype=np.int32)
    np.add.at(frames, (step, unit), 1)
    # tonic's ToFrame counts in int16: use shorter bins, or count as above
    ```

    ## When it is intended
    The input is a signed signal that was quantized and uses the whole range of its integer type.
    ```toml
    [tool.spikecheck.ignore]
    "SPK107" = "8-bit audio"
    ```

    ## How it is decided
    spikecheck warns if the smallest and the largest value of the input are the two ends of a signed integer type: -128
    and 127 ({small_integer_bits} bits), or -32,768 and 32,767 ({large_integer_bits} bits). The input may have been
    multiplied by any factor afterwards. After that factor is undone, the values must be whole numbers; the 16 most
    negative distinct values are tested.

    Counts that overflow an unsigned byte (`uint8`) start again at 0, which cannot be seen in the values.
    Ids, `int32` or `int64` without channels, are not checked.
    """

    id: ClassVar = "SPK107"
    slug: ClassVar = "wrapped-counts"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.INPUT
    needs: ClassVar = (InputReading,)
    ascending: ClassVar = (("small_integer_bits", "large_integer_bits"),)
    past: ClassVar = "{site} had the range of a signed integer"
    message: ClassVar = "{site} values look like an int{bits} overflow ({lowest:.5n} to {highest:.5n})"

    small_integer_bits: int = limit(8, why="derived: int8 is the smallest signed integer type of event frames")
    large_integer_bits: int = limit(16, why="derived: int16 is the next larger one")
    max_relative_range_error: float = limit(
        1e-6,
        why="derived: the allowed relative error of the lower end; rounding to float32 gives less, and a symmetric "
        "signal, from -32,767 to 32,767, gives 1 / 32,768 = 0.00003",
    )
    max_grid_error: float = limit(
        0.01,
        why="judgment call: how far a value may be from a whole number once the factor is undone; rounding to "
        "float32 gives up to 0.00001 at 8 bits and 0.003 at 16 bits",
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding if the extremes are an integer type's own, and the values are whole multiples of its unit."""
        x = readings[InputReading]
        if x.minimum >= 0 or x.maximum <= 0 or x.non_finite.count or x.holds_ids:
            return
        for bits in (self.small_integer_bits, self.large_integer_bits):
            unit = (x.maximum - x.minimum) / ((1 << bits) - 1)
            range_error = abs(x.minimum + (1 << (bits - 1)) * unit)
            grid_errors = [abs(value / unit - round(value / unit)) for value in x.values]
            if range_error > self.max_relative_range_error * -x.minimum:
                continue
            if any(error > self.max_grid_error for error in grid_errors):
                continue
            yield self.finding(
                site,
                observed=Observed(
                    "values from {lowest:.5n} to {highest:.5n} in steps of {unit}; {negative} of {elements} are "
                    "below 0",
                    lowest=x.minimum,
                    highest=x.maximum,
                    unit=unit,
                    negative=x.negative,
                    elements=x.sampled_elements,
                ),
                expected=Expected(
                    "counts of 0 or more",
                    because=f"the smallest and the largest value are the two ends of a signed {bits}-bit integer",
                ),
                bits=bits,
                excess=1,
            )
