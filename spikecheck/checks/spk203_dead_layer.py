"""A spiking layer that never fires."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from spikecheck.checks.base import UNDATED, Check, Readings, limit
from spikecheck.checks.layers import (
    ALIVE_RATE,
    SMALL_SCALE,
    WHY_ALIVE_RATE,
    WHY_MIN_FORWARD_PASSES,
    WHY_SMALL_SCALE,
    explained_by_tiny_weights_only,
    input_weight,
    is_alive,
    is_silent,
    peak_and_threshold,
    spikes_may_be_unused,
    spikes_unused,
    too_early,
    without_cause,
)
from spikecheck.checks.progress import MAX_HOPELESS_RATIO, waits_for_training
from spikecheck.checks.silence import highest_recent_rate, is_nearly_silent, quiet_since, wakes_up, went_silent
from spikecheck.checks.waking import HALF, waking_fix
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.number_format import fill
from spikecheck.readings import SpikeReading
from spikecheck.site import Moment, Site, SiteKind
from spikecheck.timelines import SpikeTimelineReading

PEAKS = ", and its potential peaks at {peak:.2n}, below its threshold of {threshold:.3n}"
SPIKES, WHY = "spikes in some time steps", "no information about the input passes a silent layer"


@dataclass(frozen=True)
class DeadLayer(Check):
    """A spiking layer never fires.

    ## What it means
    No neuron of the layer fired, in any time step, for any sample. All later layers get zeros, so no information about
    the input reaches the loss, and the network can learn only how often each label occurs.

    ## Example
    ```python broken
    fc1 = nn.Linear(700, 128)  # adds less than 1 to the potential per step
    lif1 = snn.Leaky(beta=0.9, threshold=30.0)
    spikes, mem = lif1(fc1(x_t), mem)  # always 0
    ```
    ```python repaired
    fc1 = nn.Linear(700, 128)
    lif1 = snn.Leaky(beta=0.9, threshold=0.5)
    spikes, mem = lif1(fc1(x_t), mem)
    ```

    ## Fix
    ```python handwritten
    # replace 0.1: lower the threshold until some neurons fire
    layer.threshold = 0.1
    # or use larger weights before the layer, or remove a negative bias
    ```
    ```python snntorch
    # replace 0.1: lower the threshold until some neurons fire
    layer.threshold.data.fill_(0.1)
    # or use larger weights before the layer
    ```
    ```python sinabs
    # replace 0.1: lower the threshold until some neurons fire
    layer.spike_threshold.data = torch.full_like(layer.spike_threshold, 0.1)
    # or stop the layer from scaling its input down: layer.norm_input = False
    ```
    ```python spikingjelly
    # replace 0.1: lower the threshold until some neurons fire
    layer.v_threshold = 0.1
    # or stop the layer from scaling its input down: layer.decay_input = False
    ```
    ```python norse
    # replace 0.1: lower the threshold until some neurons fire
    layer.p = layer.p._replace(v_th=torch.tensor(0.1))
    ```

    ## When it is intended
    The layer is a gate that stays closed on this task.
    ```toml
    [tool.spikecheck.ignore]
    "SPK203:gate" = "inhibitory, closed on this task"
    ```

    ## How it is decided
    spikecheck reports an error if the layer emitted no spike in the recent forward passes. While training runs, at
    least {min_forward_passes} of them are needed; the report after training needs no minimum. A layer that fired before
    has to be silent for at least {min_forward_passes} forward passes, and for long enough that its earlier rate would
    have given 100 spikes; the finding then says between which updates it went silent.

    While training runs, spikecheck prints this finding only from update 64 on, because a healthy layer may start to
    fire. It prints the finding earlier in two cases: no weight between the input and the layer is being updated, or the
    layer gets input but its highest potential stays below 10% of the threshold.

    A layer whose spikes get no gradient, because only its potential is used, is not reported. Before the first backward
    pass this is unknown for the last spiking layer, which then gets a note.

    A finding is rarely wrong: even a layer that emits only one spike per forward pass on average, independently of the
    other passes, emits none in {min_forward_passes} forward passes with a probability of exp(-10), 1 in 22,000.

    The fix that is printed with a finding sets the threshold to half of the highest potential in the first forward
    pass, or in the run if the layer got no spikes then, if that potential is known. For a layer that was silent from
    the start and whose potential or threshold is not known, as in one that compares them inside, it is a call of
    `spikecheck.calibrate`.

    Of a hand-written layer, the argument of the spike function and the variables around its call show the potential
    and the threshold. The finding then names both, and says so if the threshold is ten times the potential or more.

    A layer that emits single spikes, fewer than {min_alive_rate} per neuron and time step and fewer than one per neuron
    in ten samples, is reported as nearly silent if 64 losses or more show that nothing is learned. If it fired more
    often at first, the finding dates from when it no longer did.

    If SPK406 (weight-scale) reports the weights before the layer, it is listed as the cause only if their scale, which
    is their RMS times sqrt(fan-in), is below {min_weight_scale}.
    """

    id: ClassVar = "SPK203"
    slug: ClassVar = "dead-layer"
    severity: ClassVar = Severity.ERROR
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.SPIKES
    needs: ClassVar = (SpikeReading,)
    explained_by: ClassVar = (
        "SPK102",
        "SPK103",
        "SPK104",
        "SPK106",
        "SPK205",
        "SPK207",
        "SPK209",
        "SPK211",
        "SPK214",
        "SPK215",
        "SPK401",
        "SPK405",
        "SPK406",
        "SPK407",
        "SPK412",
        "SPK413",
    )
    self_resolving: ClassVar = True
    past: ClassVar = "{site} was silent"
    message: ClassVar = "{site} {what} ({neurons} neurons)"

    min_weight_scale: float = limit(SMALL_SCALE, why=WHY_SMALL_SCALE)
    min_forward_passes: int = limit(10, why=WHY_MIN_FORWARD_PASSES)

    min_alive_rate: float = limit(ALIVE_RATE, why=WHY_ALIVE_RATE)

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding if a layer was silent; a note if it is unknown whether its spikes are used."""
        spikes = readings[SpikeReading]
        since = went_silent(readings, self.min_forward_passes)
        silent = (is_silent(spikes) or since is not None) and not wakes_up(readings, self.min_alive_rate)
        if spikes_unused(readings) or not (silent or is_nearly_silent(readings, self.min_alive_rate)):
            return
        if since is None and too_early(readings, spikes.forward_passes, self.min_forward_passes):
            return
        waits = since is None and waits_for_training(site, readings)
        finding = self.finding(
            site,
            severity=Severity.NOTE if spikes_may_be_unused(site, readings) or waits else Severity.ERROR,
            observed=observed(spikes, since, readings),
            when=quiet_since(readings, self.min_alive_rate) if since is None else Moment(since[1]),
            what=description(spikes, since, readings) + reach(site, readings) * (silent and since is None),
            expected=expected(site, readings) if silent and since is None else Expected(SPIKES, because=WHY),
            fixes=waking_fix(site, readings) if silent else None,
        )
        # silent from the start: mixed samples still drive a layer; since later: one time step was enough until then
        finding = without_cause(finding, "SPK106" if finding.when == UNDATED else "SPK104")
        yield explained_by_tiny_weights_only(finding, input_weight(site, readings), self.min_weight_scale, by="SPK406")

    def is_over(self, finding: Finding, readings: Readings, *, made_now: bool) -> bool:
        """Return whether the layer fires by now, and more than single spikes."""
        alive = is_alive(readings.get(SpikeReading), self.min_alive_rate) or wakes_up(readings, self.min_alive_rate)
        return not made_now and alive

    def restated(self, finding: Finding, readings: Readings) -> Finding:
        """Return the finding with the single spikes that a layer emits by now."""
        spikes = readings[SpikeReading]
        now = observed(spikes, None, readings)
        what = description(spikes, None, readings)
        message = fill(self.message, site=finding.site, **{**now.numbers, "what": what})
        return replace(finding, message=message, observed=now)


def reach(site: Site, readings: Readings) -> str:
    """Return which potential a silent layer reaches, for the message, where its spike function shows that."""
    known = peak_and_threshold(site, readings)
    return "" if known is None else fill(PEAKS, peak=known[0], threshold=known[1])


def expected(site: Site, readings: Readings) -> Expected:
    """Return what is expected of a silent layer, and why; where its threshold is out of reach, that."""
    peak, threshold = peak_and_threshold(site, readings) or (0.0, 0.0)
    if threshold == 0 or peak >= MAX_HOPELESS_RATIO * threshold:
        return Expected(SPIKES, because=WHY)
    if peak <= 0:
        return Expected(SPIKES, because="no potential was above 0: a negative bias or inhibition holds the layer down")
    return Expected(
        "a threshold that some potentials reach, such as {threshold:.2n}",
        because="no potential comes near this one: is it on another scale than the input?",
        threshold=HALF * peak,
    )


def description(spikes: SpikeReading, since: tuple[int, int] | None, readings: Readings) -> str:
    """Return what the layer does, for the message: nothing, nothing any more, or next to nothing."""
    if since is not None:
        return f"went silent between updates {since[0]:,} and {since[1]:,}"
    rate = largest_rate(spikes, readings)
    if rate == 0:
        return fill("is silent: 0 spikes in {steps} time steps", steps=spikes.time_steps)
    return fill("is nearly silent: {rate:.2n} spikes per neuron and time step", rate=rate)


def largest_rate(spikes: SpikeReading, readings: Readings) -> float:
    """Return the highest rate of the latest updates, or that of the recent forward passes where these have none."""
    return highest_recent_rate(readings) or spikes.rate or 0.0


def observed(spikes: SpikeReading, since: tuple[int, int] | None, readings: Readings) -> Observed:
    """Return what was observed: in the recent forward passes, or since a layer that fired before went silent."""
    timeline = readings.get(SpikeTimelineReading)
    if since is None and (rate := largest_rate(spikes, readings)) > 0:
        first = None if timeline is None or timeline.first is None else timeline.first.mean
        return Observed(
            "{rate:.2n} spikes per neuron and time step, from {neurons} neurons"
            + ("" if first is None else "; {first:.2n} at first"),
            rate=rate,
            neurons=spikes.neurons,
            first=first,
        )
    if since is None or timeline is None or timeline.first is None:
        return Observed(
            "0 spikes from {neurons} neurons in {steps} time steps of {forward_passes} forward passes",
            neurons=spikes.neurons,
            steps=spikes.time_steps,
            forward_passes=spikes.forward_passes,
        )
    passes = sum(point.passes for point in timeline.points if point.update >= since[1])
    return Observed(
        "0 spikes from {neurons} neurons in the latest {forward_passes} forward passes; {rate:n} spikes per neuron and "
        "time step at first",
        neurons=spikes.neurons,
        forward_passes=passes,
        rate=timeline.first.mean or 0.0,
    )
