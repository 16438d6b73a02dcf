"""An input that is 1 nearly everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.learning import learns_little
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import InputReading
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class SaturatedInput(Check):
    """Nearly all values of a binary input are 1.

    ## What it means
    Every channel spikes in nearly every time step, whatever the sample is. For example, an encoder that uses the pixels
    of photographs, from 0 to 255, as spike probabilities does this, and so does one whose threshold is below all
    values.

    ## Example
    ```python broken
    pixels = 255 * images  # photographs: from 0 to 255, and hardly any pixel is 0
    x = (torch.rand(20, *pixels.shape) < pixels).float().flatten(2)  # [time, batch, pixel]: 1 for every pixel above 0
    lif1, mem = snn.Leaky(beta=0.9), None
    for x_t in x:
        spikes, mem = lif1(fc1(x_t), mem)
    ```
    ```python repaired
    pixels = images  # from 0 to 1
    x = (torch.rand(20, *pixels.shape) < pixels).float().flatten(2)
    lif1, mem = snn.Leaky(beta=0.9), None
    for x_t in x:
        spikes, mem = lif1(fc1(x_t), mem)
    ```

    ## Fix
    ```python any
    # before the encoder, which expects values from 0 to 1
    values = (values - values.min()) / (values.max() - values.min())
    ```

    ## When it is intended
    The input is a mask, or a constant that drives the network.
    ```toml
    [tool.spikecheck.ignore]
    "SPK110" = "a constant input; the network generates a pattern"
    ```

    ## How it is decided
    spikecheck warns if all values are 0 or 1, and at least {min_active_fraction:%} of them are 1, over at least
    {min_forward_passes} forward passes; {min_active_fraction_unlearned:%} are enough where 64 losses or more show that
    little is learned. A model that takes several input tensors is not checked, because the first one may be a mask.
    Ids, `int32` or `int64` without channels, are not checked.
    """

    id: ClassVar = "SPK110"
    slug: ClassVar = "saturated-input"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.INPUT
    needs: ClassVar = (InputReading,)
    explains: ClassVar = ("SPK105", "SPK109", "SPK204", "SPK206", "SPK302", "SPK309", "SPK312", "SPK313", "SPK320")
    past: ClassVar = "{site} was 1 nearly everywhere"
    message: ClassVar = "{active:%} of the values of {site} are 1, so all samples look nearly the same"

    min_active_fraction: float = limit(
        0.97, why="judgment call: in a binary image of a black digit on white, about 90% of the pixels are 1"
    )
    min_active_fraction_unlearned: float = limit(
        0.9, why="measured: 0.93 where most features of a table exceed 1 and are taken for spike probabilities"
    )
    min_forward_passes: int = limit(10, why="judgment call: a single batch may be a warm-up with ones")

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where a binary input is nearly always 1."""
        x, first = readings[InputReading], readings.first[InputReading]
        binary = x.minimum >= 0 and x.maximum == 1 and x.non_integer == 0 and x.non_finite.count == 0
        if not binary or x.holds_ids or readings.run.input_tensors > 1 or x.forward_passes < self.min_forward_passes:
            return
        least = self.min_active_fraction_unlearned if learns_little(readings) else self.min_active_fraction
        if x.active < least * x.sampled_elements:
            return
        yield self.finding(
            site,
            observed=Observed("{active:%} of the values are 1, the others 0", active=x.active / x.sampled_elements),
            expected=Expected(
                "values that differ between samples", because="a constant carries no information about the sample"
            ),
            when=Moment(0) if first.active >= least * first.sampled_elements else None,
        )
