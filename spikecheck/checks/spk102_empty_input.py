"""An input in which next to nothing comes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log10
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.fixes import plain_number
from spikecheck.checks.layers import first_layer_drive, input_weight, spiking_sites
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

    min_drive: float = limit(
        0.02,
        why="derived: with a decay of 0.9, such a current adds up to 0.2 thresholds; measured: 0.001 in a layer that "
        "its own initial state and adaptation made fire, 0.1 or more in networks that learn",
    )
    min_weight_scale: float = limit(
        0.3, why="derived: standard initializers give 0.58 or more; half of that is no reason for so small a current"
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where too few bins, or samples, hold any event; an error where none does."""
        x = readings[InputReading]
        if not x.frames or not x.elements or x.non_finite.count or x.holds_ids:
            return
        if 0 < (largest := max(x.maximum, -x.minimum)) < self.min_largest_value and learns_little(readings):
            yield self.tiny(site, largest)
            return
        if (
            x.non_integer
            and largest <= 1
            and (weak := self.weak_drive(readings)) is not None
            and learns_little(readings)
        ):
            yield self.small(site, *weak)
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

    def weak_drive(self, readings: Readings) -> tuple[Site, float] | None:
        """Return the first spiking layer and what its input adds per time step, in thresholds, if that is too little.

        None where the weights before the layer are small, or not known: then the input is not to blame.
        """
        layer = min(spiking_sites(readings), key=lambda s: s.position, default=None)
        drive = first_layer_drive(readings.first)
        weight = None if layer is None else input_weight(layer, readings.first)
        if layer is None or weight is None or drive is None or weight.scale < self.min_weight_scale:
            return None
        return (layer, drive) if 0 < drive < self.min_drive else None

    def small(self, site: Site, layer: Site, drive: float) -> Finding:
        """Return the finding for values that hardly drive the first layer; its own gain is no fault of the input."""
        gain = 1.0 if layer.neuron is None else min(1.0, layer.neuron.input_gain)
        return self.finding(
            site,
            observed=Observed("an input current of {drive:.2n} thresholds per time step (RMS)", drive=drive),
            expected=Expected(
                "a current of about 1 threshold",
                because="neurons that fire with so small a current are not driven by the input",
            ),
            when=Moment(0),
            what=fill("too small: it adds {drive:.2n} thresholds per time step to {layer}", drive=drive, layer=layer),
            excess=log10(self.min_drive / drive),
            fixes=(Fix(f"# before the model is called: or standardize it\nx = x * {plain_number(gain / drive)}"),),
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
