"""A layer driven so strongly that its threshold and its memory do not matter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isinf, log10
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.fixes import joined, plain_number, set_threshold
from spikecheck.checks.layers import (
    HAND_WRITTEN,
    LARGE_SCALE,
    SMALL_SCALE,
    STRONG_DRIVE,
    WHY_LARGE_SCALE,
    WHY_SMALL_SCALE,
    WHY_STRONG_DRIVE,
    describe_weight,
    drive_in_thresholds,
    holds_spike_counts,
    input_weight,
    spikes_may_be_unused,
    spikes_unused,
    spiking_sites,
    threshold_of,
    without_cause,
)
from spikecheck.checks.learning import is_near_guess
from spikecheck.checks.waking import weight_path
from spikecheck.finding import Expected, Finding, Fix, Observed, Severity
from spikecheck.number_format import fill
from spikecheck.readings import DriveReading, ParameterReading, SpikeReading
from spikecheck.site import Site, SiteKind
from spikecheck.timelines import SpikeTimelineReading

THRESHOLDS = "the RMS of what one time step adds to the potential in this run"
WEIGHTS = "smaller weights, so that one time step adds one threshold"


@dataclass(frozen=True)
class StrongDrive(Check):
    """The input to a spiking layer is far above its threshold.

    ## What it means
    A single time step adds many times the threshold to the membrane potential, so the sign of that one input decides
    whether a neuron fires: its earlier input, its leak and its threshold hardly matter. The surrogate gradient is
    evaluated far from the threshold, where it is small.

    ## Example
    ```python broken
    x = images.float().flatten(1)  # pixels from 0 to 255
    lif1 = neuron.LIFNode(tau=10.0, decay_input=False)  # spikingjelly, v_threshold=1.0
    spikes = lif1(fc1(x))
    ```
    ```python repaired
    x = images.float().flatten(1) / 255  # pixels from 0 to 1
    lif1 = neuron.LIFNode(tau=10.0, decay_input=False)  # spikingjelly, v_threshold=1.0
    spikes = lif1(fc1(x))
    ```

    ## Fix
    ```python handwritten
    # replace 10.0 by the RMS of what one time step adds (see the finding)
    layer.threshold = 10.0
    # or use smaller weights before the layer
    ```
    ```python snntorch
    # replace 10.0 by the RMS of what one time step adds (see the finding)
    layer.threshold.data.fill_(10.0)
    # or use smaller weights before the layer
    ```
    ```python sinabs
    # replace 10.0 by the RMS of what one time step adds (see the finding)
    layer.spike_threshold.data = torch.full_like(layer.spike_threshold, 10.0)
    # or use smaller weights before the layer
    ```
    ```python spikingjelly
    # replace 10.0 by the RMS of what one time step adds (see the finding)
    layer.v_threshold = 10.0
    # or use smaller weights before the layer
    ```
    ```python norse
    # replace 10.0 by the RMS of what one time step adds (see the finding)
    layer.p = layer.p._replace(v_th=torch.tensor(10.0))
    ```

    ## When it is intended
    The layer binarizes its input on purpose, as an image encoder does.
    ```toml
    [tool.spikecheck.ignore]
    "SPK206:encoder" = "one spike for every bright pixel"
    ```

    ## How it is decided
    The drive is what one time step adds to the membrane potential, as a multiple of the threshold (RMS over neurons,
    samples and time steps). spikecheck warns if the drive is {max_drive} or more, or if the threshold is 0 or below:
    below 0, neurons fire without input, and at 0, any positive potential makes them fire. A large negative bias also
    gives a large RMS, but no spikes. So if the largest input of each neuron, averaged over the neurons, is smaller than
    the RMS, spikecheck uses that average instead. Before the first backward pass, the last spiking layer gets a note,
    because it is unknown whether its spikes are used.

    A neuron that emits several spikes per time step passes on how strong its input is, so a strong drive does not
    saturate it. Such a layer gets only a note if the loss is not far above that of a guess.

    In a hand-written layer, an attribute called `threshold` may hold something else. The check therefore also looks at
    the spikes: neurons have to fire in at least {min_active_fraction:%} of the time steps on average, or in at least
    {min_active_fraction_below_rest:%} if the threshold is 0 or below.

    The reason in the finding depends on the scale of the weights before the layer, which is their RMS times
    sqrt(fan-in). If it is above {max_weight_scale}, the weights are too large. Otherwise the threshold is too low, or
    the input is too large. If it is below {min_weight_scale}, the finding also says that the weights are tiny; the
    reason stays the same, because tiny weights do not make the drive strong.
    """

    id: ClassVar = "SPK206"
    slug: ClassVar = "strong-drive"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.CURRENT
    needs: ClassVar = (DriveReading,)
    explained_by: ClassVar = (
        "SPK101",
        "SPK107",
        "SPK201",
        "SPK207",
        "SPK214",
        "SPK215",
        "SPK406",
        "SPK407",
        "SPK413",
    )
    past: ClassVar = "input current to {site} was many times its threshold"
    message: ClassVar = "{subject} {site} is {comparison}"

    max_drive: float = limit(STRONG_DRIVE, why=WHY_STRONG_DRIVE)
    min_active_fraction: float = limit(
        0.05,
        why="derived: if the drive is normally distributed with an RMS of 7 thresholds, it is above one threshold in "
        "44% of the time steps; a negative mean and resets reduce this, and the factor of 9 allowed for that is a "
        "judgment call",
    )
    min_active_fraction_below_rest: float = limit(
        0.5,
        why="derived: with a threshold below 0, a neuron without input fires in every time step, and with a threshold "
        "of 0, one with a potential above 0 does; measured: 0.18 and 0.23 in layers whose attribute held -0.4 and "
        "whose threshold was the sigmoid of it",
    )
    min_weight_scale: float = limit(SMALL_SCALE, why=WHY_SMALL_SCALE)
    max_weight_scale: float = limit(LARGE_SCALE, why=WHY_LARGE_SCALE)

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where one time step adds many thresholds, or where the threshold is 0 or below."""
        drive = readings[DriveReading]
        ratio, threshold = drive_in_thresholds(site, drive), threshold_of(site)
        if ratio is None or threshold is None or site.neuron is None or spikes_unused(readings):
            return
        if drive.non_finite.count or ratio < self.max_drive:
            return
        if site.framework in HAND_WRITTEN and not self.spikes_agree(threshold, readings):
            return
        subject, comparison = "input current to", fill("{ratio:x} its threshold per time step (RMS)", ratio=ratio)
        if isinf(ratio):
            subject = "threshold of"
            at_zero = "any positive potential makes its neurons fire"
            consequence = "its neurons fire without input" if threshold < 0 else at_zero
            comparison = fill("{threshold}, so {consequence}", threshold=threshold, consequence=consequence)
        rms = site.neuron.input_gain * drive.rms
        finding = self.finding(
            site,
            severity=Severity.NOTE
            if spikes_may_be_unused(site, readings) or self.is_passed_on(readings)
            else Severity.WARNING,
            observed=Observed(
                "one time step adds {rms} (RMS), at most {largest}; the threshold is {threshold}",
                rms=rms,
                largest=site.neuron.input_gain * drive.maximum,
                threshold=threshold,
            ),
            expected=Expected(
                "a threshold above 0 and an input below {max_drive} times the threshold; a threshold of about {rms} "
                "fits this input",
                because=self.cause(input_weight(site, readings), ratio),
                max_drive=self.max_drive,
                rms=rms,
            ),
            subject=subject,
            comparison=comparison,
            excess=1 if isinf(ratio) else log10(ratio / self.max_drive),
            fixes=self.fix(readings),
        )
        if site.neuron.input_gain <= 1:
            finding = without_cause(finding, "SPK207")
        yield finding

    def is_passed_on(self, readings: Readings) -> bool:
        """Return whether the layer emits several spikes per time step, and the loss does not suffer from that."""
        spikes = readings.get(SpikeReading)
        return spikes is not None and holds_spike_counts(spikes) and is_near_guess(readings)

    def fix(self, readings: Readings) -> tuple[Fix, ...]:
        """Return one fix for all layers with a strong drive: thresholds that fit it, or smaller weights."""
        groups: dict[str, list[str]] = {THRESHOLDS: [], WEIGHTS: []}
        for layer in sorted(spiking_sites(readings), key=lambda s: s.position):
            at = readings.at(layer.name)
            drive = at.get(DriveReading)
            ratio = None if drive is None else drive_in_thresholds(layer, drive)
            if drive is None or layer.neuron is None or ratio is None or ratio < self.max_drive or spikes_unused(at):
                continue
            rms, path = layer.neuron.input_gain * drive.rms, weight_path(layer, readings)
            if rms > 0 and (line := set_threshold(layer, rms)):
                groups[THRESHOLDS].append(line)
            elif path and not isinf(ratio):
                groups[WEIGHTS].append(f"{path}.data.mul_({plain_number(1 / ratio)})")
        return joined(groups)

    def spikes_agree(self, threshold: float, readings: Readings) -> bool:
        """Return whether a layer fires as often as one with this threshold would; yes where that is not known.

        In the recent forward passes or, with a threshold that is learned, by now.
        """
        spikes = readings.get(SpikeReading)
        if spikes is None or not spikes.elements:
            return True
        least = self.min_active_fraction if threshold > 0 else self.min_active_fraction_below_rest
        timeline = readings.get(SpikeTimelineReading)
        latest = None if timeline is None else timeline.now
        return max(spikes.active / spikes.elements, (latest.mean or 0.0) if latest is not None else 0.0) >= least

    def cause(self, weight: ParameterReading | None, ratio: float) -> str:
        """Return which of the numbers is wrong: the threshold, the weights or their input."""
        if isinf(ratio):
            return "a neuron at rest has a potential of 0, which is not below this threshold"
        description = describe_weight(weight, self.min_weight_scale, self.max_weight_scale)
        if weight is None or weight.scale > self.max_weight_scale:
            return description
        return description + ", so the threshold is too low, or the input to these weights is too large"
