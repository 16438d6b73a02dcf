"""An input that is 1 nearly everywhere, or that an encoder inside the model makes so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.layers import first_current
from spikecheck.checks.learning import learns_little
from spikecheck.finding import Expected, Finding, Fix, Observed, Severity
from spikecheck.readings import InputReading
from spikecheck.site import Moment, Site, SiteKind

TABLE_AXES = 2  # samples and features
BY_COLUMN = """\
# once, from the training set: an encoder expects values from 0 to 1
lowest, highest = train_x.min(0).values, train_x.max(0).values
# before the encoder
x = ((x - lowest) / (highest - lowest)).clamp(0, 1)"""


@dataclass(frozen=True)
class SaturatedInput(Check):
    """Nearly all values of a binary input are 1, or become 1 in an encoder inside the model.

    ## What it means
    Every channel spikes in nearly every time step, whatever the sample is. For example, an encoder that uses the pixels
    of photographs, from 0 to 255, as spike probabilities does this, and so does one whose threshold is below all
    values. The encoder may be a part of the model.

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

    An encoder inside the model is judged by the current of the first spiking layer. spikecheck warns if little is
    learned, at least {min_active_fraction_unlearned:%} of the input's values are above 1 and none is negative, and the
    layer gets nearly the same current from every sample, in uncorrelated time steps: the largest current of a neuron
    exceeds the mean current by less than {max_current_spread} of the RMS current, and what differs from the mean
    correlates by less than {max_step_correlation} between time steps. Where a sample is given directly, as a current,
    time steps are alike.
    """

    id: ClassVar = "SPK110"
    slug: ClassVar = "saturated-input"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.INPUT
    needs: ClassVar = (InputReading,)
    explains: ClassVar = ("SPK105", "SPK109", "SPK204", "SPK206", "SPK302", "SPK309", "SPK312", "SPK313", "SPK320")
    past: ClassVar = "{site} was 1 nearly everywhere"
    message: ClassVar = "{active:%} of the values of {site} are {high}, so all samples look nearly the same{where}"

    min_active_fraction: float = limit(
        0.97, why="judgment call: in a binary image of a black digit on white, about 90% of the pixels are 1"
    )
    min_active_fraction_unlearned: float = limit(
        0.9, why="measured: 0.93 where most features of a table exceed 1 and are taken for spike probabilities"
    )
    min_forward_passes: int = limit(10, why="judgment call: a single batch may be a warm-up with ones")

    max_current_spread: float = limit(
        1.0, why="measured: 0.6 with most spike probabilities above 1, 5 with all of them between 0 and 1"
    )
    max_step_correlation: float = limit(
        0.1, why="measured: 0.02 with most spike probabilities above 1, 0.2 with all of them between 0 and 1", maximum=1
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where a binary input is nearly always 1, or what an encoder makes of another one."""
        x, first = readings[InputReading], readings.first[InputReading]
        of_one_sign = x.minimum >= 0 and x.non_finite.count == 0 and not x.holds_ids
        if not of_one_sign or readings.run.input_tensors > 1 or x.forward_passes < self.min_forward_passes:
            return
        if x.maximum > 1:
            yield from self.encoded(site, readings)
        if x.maximum != 1 or x.non_integer:
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
            high="1",
            where="",
        )

    def encoded(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where an encoder inside the model takes values above 1 for spike probabilities."""
        x, current = readings[InputReading], first_current(readings)
        if x.above_one < self.min_active_fraction_unlearned * x.sampled_elements or x.time_steps is not None:
            return
        if current is None or current[1].step_correlation is None or not learns_little(readings):
            return
        layer, drive = current
        correlation, spread = current[1].step_correlation, drive.peak - drive.mean
        alike = max(correlation.neighbors, correlation.distant)
        if alike >= self.max_step_correlation or spread >= self.max_current_spread * drive.rms:
            return
        yield self.finding(
            site,
            observed=Observed(
                "values from {lowest:n} to {highest:n}, and the largest currents of {layer} exceed the mean by "
                "{spread:%} of the RMS; time steps have a correlation of {alike:.1n}",
                lowest=x.minimum,
                highest=x.maximum,
                layer=str(layer),
                spread=spread / drive.rms,
                alike=alike,
            ),
            expected=Expected(
                "values from 0 to 1",
                because="an encoder that takes them for probabilities spikes in every time step where they are above 1",
            ),
            when=Moment(0),
            active=x.above_one / x.sampled_elements,
            high="above 1",
            fixes=(Fix(BY_COLUMN),) if len(x.shape) == TABLE_AXES else None,
            where=f" once they are encoded, as the current of {layer} shows",
        )
