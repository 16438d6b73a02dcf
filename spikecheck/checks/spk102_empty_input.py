"""An input in which next to nothing comes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log10
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.fixes import plain_number
from spikecheck.checks.learning import has_learned_much, learns_little
from spikecheck.checks.progress import GRACE_UPDATES
from spikecheck.finding import Expected, Finding, Fix, Observed, Severity
from spikecheck.number_format import fill
from spikecheck.readings import InputReading
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class EmptyInput(Check):
    """Most time bins of the input are empty, or all of its values are close to 0.

    ## What it means
    Only a few time bins of the input hold any event (a bin is one time step of one sample, over all channels). A leaky
    neuron forgets one event before the next one comes, or gets no input at all in most time steps, so layers fall
    silent and the loss stays at chance level. Values close to 0, such as pixels that were divided by 255 twice, do the
    same: an encoder that takes them for spike probabilities draws hardly any spike, and currents stay below the
    threshold.

    ## Example
    ```python broken
    x = torch.zeros(100, 700)  # 100 bins of 100 ms, for a recording of 0.8 s
    x[(times / 0.1).long(), units] = 1.0  # only 8 bins are filled
    mem = lif1.reset_mem()
    for x_t in x:
        spikes, mem = lif1(fc1(x_t), mem)
    ```
    ```python repaired
    x = torch.zeros(100, 700)  # 100 bins of 8 ms, for a recording of 0.8 s
    x[(times / 0.008).long(), units] = 1.0
    mem = lif1.reset_mem()
    for x_t in x:
        spikes, mem = lif1(fc1(x_t), mem)
    ```

    ## Fix
    ```python any
    # with `steps` time bins of width dt, times.max() should be close to steps * dt
    print(times.max(), steps * dt)
    # if not, choose the width so that the recording fills the time axis
    dt = float(times.max()) / steps
    step = (times / dt).long().clamp(max=steps - 1)
    # values: encoders and standard initializers expect up to 1
    x = x / x.max()
    ```

    ## When it is intended
    Events are rare by nature, and the decay is slow enough to bridge the pauses.
    ```toml
    [tool.spikecheck.ignore]
    "SPK102" = "one event per second, tau = 5 s"
    ```

    ## How it is decided
    spikecheck warns if fewer than {min_filled_bin_fraction:%} of the time bins hold any event, or if
    {max_empty_sample_fraction:%} of the samples or more hold none. It reports an error if the whole input is empty. It
    is only a note if the network learns from the few events there are, and before update 64 of a running training, when
    this is not yet known. It also warns if no value is larger than {min_largest_value} and 64 losses or more show that
    little is learned. Ids, `int32` or `int64` without channels, are not checked.

    Why pauses matter: with a decay of 0.9, the effect of one step shrinks to an eighth after 20 empty steps. The usual
    causes are a wrong unit of time, such as microseconds read as milliseconds, and bins that extend far beyond the end
    of the recording.
    """

    id: ClassVar = "SPK102"
    slug: ClassVar = "empty-input"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.INPUT
    needs: ClassVar = (InputReading,)
    explained_by: ClassVar = ("SPK103",)
    past: ClassVar = "{site} was empty"
    message: ClassVar = "{site} is {what}"

    min_filled_bin_fraction: float = limit(
        0.1,
        why="measured: 84% of the bins hold an event in healthy networks, 3% in an input of 40 bins with all events in "
        "the first one or two; the value in between is a judgment call",
    )
    max_empty_sample_fraction: float = limit(
        0.5,
        why="judgment call: a network cannot classify an empty sample",
    )
    min_largest_value: float = limit(
        0.02,
        why="derived: an encoder draws at most one spike in 50 time steps from it, and with the weights of a standard "
        "initializer, 50 active inputs add less than 0.1 to a potential; pixels that are divided by 255 twice are at "
        "most 0.004",
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where too few bins, or samples, hold any event; an error where none does."""
        x = readings[InputReading]
        if not x.frames or not x.elements or x.non_finite.count or x.holds_ids:
            return
        if 0 < (largest := max(x.maximum, -x.minimum)) < self.min_largest_value and learns_little(readings):
            yield self.tiny(site, largest)
            return
        filled, empty = x.filled_frames / x.frames, x.empty_samples / max(1, x.samples)
        if filled >= self.min_filled_bin_fraction and empty < self.max_empty_sample_fraction:
            return
        unknown = readings.run.live and readings.run.update < GRACE_UPDATES
        harmless = x.filled_frames > 0 and (unknown or has_learned_much(readings))
        what = "empty in {empty:%} of its time bins (at most {most:%} expected)"
        if filled >= self.min_filled_bin_fraction:
            what = "empty in {samples} of {all_samples} samples"
        yield self.finding(
            site,
            severity=Severity.NOTE if harmless else Severity.WARNING if x.filled_frames else Severity.ERROR,
            observed=Observed(
                "{filled} of {frames} time bins hold any event; {empty} of {samples} samples hold none",
                filled=x.filled_frames,
                frames=x.frames,
                empty=x.empty_samples,
                samples=x.samples,
            ),
            expected=Expected(
                "events in at least {bins:%} of the time bins, and fewer than {samples:%} of the samples empty",
                because="a leaky neuron forgets its input during a long pause; check the unit of time first",
                bins=self.min_filled_bin_fraction,
                samples=self.max_empty_sample_fraction,
            ),
            what=fill(
                what,
                empty=1 - filled,
                most=1 - self.min_filled_bin_fraction,
                samples=x.empty_samples,
                all_samples=x.samples,
            ),
            excess=log10(self.min_filled_bin_fraction / filled) if 0 < filled < self.min_filled_bin_fraction else 1,
        )

    def tiny(self, site: Site, largest: float) -> Finding:
        """Return the finding for values that are all close to 0."""
        return self.finding(
            site,
            observed=Observed("values of at most {largest:n}", largest=largest),
            expected=Expected(
                "values up to about 1",
                because="an encoder draws hardly any spikes from such values, and currents stay below the threshold",
            ),
            when=Moment(0),
            what=fill("close to 0: no value is larger than {largest:n}", largest=largest),
            excess=log10(self.min_largest_value / largest),
            fixes=(Fix(f"# before the model is called: to values up to 1\nx = x * {plain_number(1 / largest)}"),),
        )
