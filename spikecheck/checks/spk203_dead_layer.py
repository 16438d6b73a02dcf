"""A spiking layer that never fires."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
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
    spikes_may_be_unused,
    spikes_unused,
    too_early,
)
from spikecheck.checks.silence import went_silent
from spikecheck.checks.waking import waking_fix
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import SpikeReading
from spikecheck.site import Moment, Site, SiteKind
from spikecheck.timelines import SpikeTimelineReading


@dataclass(frozen=True)
class DeadLayer(Check):
    """A spiking layer never fires.

    ## What it means
    No neuron of the layer fired, in any time step, for any sample. Everything behind the layer sees zeros, so no
    information about the input reaches the loss, and the best that can still be learned is a bias.

    ## Example
    ```python broken
    fc1 = nn.Linear(700, 128)  # drives lif1 with a fraction of 1 per step
    lif1 = snn.Leaky(beta=0.9, threshold=30.0)
    spikes, mem = lif1(fc1(x_t), mem)  # always 0
    ```
    ```python repaired
    fc1 = nn.Linear(700, 128)
    lif1 = snn.Leaky(beta=0.9, threshold=0.5)
    spikes, mem = lif1(fc1(x_t), mem)
    ```

    ## Fix
    ```python any
    # below the highest potential
    layer.threshold = 0.1
    # or larger weights before the layer, or no negative bias
    ```
    ```python snntorch
    # below the highest potential
    layer.threshold.data.fill_(0.1)
    # or larger weights before the layer
    ```
    ```python sinabs
    # below the highest potential
    layer.spike_threshold.data.fill_(0.1)
    # or layer.norm_input = False
    ```
    ```python spikingjelly
    # below the highest potential
    layer.v_threshold = 0.1
    # or layer.decay_input = False
    ```
    ```python norse
    # below the highest potential
    layer.p = layer.p._replace(v_th=torch.tensor(0.1))
    ```

    ## When it is intended
    The layer is a gate that stays closed on this task.
    ```toml
    [tool.spikecheck.ignore]
    "SPK203:gate" = "inhibitory, closed on this task"
    ```

    ## How it is decided
    It is an error where the layer emitted no spike in the recent forward passes. A layer that fired before is silent,
    and the report says between which updates it went silent, where it had no spike in the latest {min_forward_passes}
    forward passes or more, in which its earlier rate gives 100. While training goes on, it is reported only after
    {min_forward_passes} forward passes, and the monitor warns of it only after 64 updates, since healthy layers may
    wake up; it warns at once where none can: where no weight from the input up to the layer gets a gradient and moves.
    A layer whose potential is read out, and whose spikes get no gradient, is left alone. As long as no backward pass
    was observed, the last spiking layer gets a note, since its potential may be what is read.

    Error probability: a layer with 10 spikes in {min_forward_passes} forward passes on average is called silent less
    often than once in 1000 runs. Independent spikes are all missing in one of 22,000 evaluations of the check,
    exp(-10), and later evaluations cover more forward passes.

    Consequences: the loss stays at the entropy of the labels, ln 20 = 3.0 for 20 classes. Gradients still pass the
    layer as far as the surrogate gradient reaches below the threshold, so the layer may wake up; a surrogate of limited
    width passes none.
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
        """Yield a finding where a layer was silent; a note where its potential may be what is read."""
        spikes = readings[SpikeReading]
        since = went_silent(readings, self.min_forward_passes)
        if not (is_silent(spikes) or since) or spikes_unused(readings):
            return
        if since is None and too_early(readings, spikes.forward_passes, self.min_forward_passes):
            return
        what = f"is silent: 0 spikes in {spikes.time_steps:,} time steps"
        if since is not None:
            what = f"went silent between updates {since[0]:,} and {since[1]:,}"
        finding = self.finding(
            site,
            severity=Severity.NOTE if spikes_may_be_unused(site, readings) else Severity.ERROR,
            observed=observed(spikes, since, readings),
            when=None if since is None else Moment(since[1]),
            what=what,
            expected=Expected(
                "spikes in some time steps", because="no information about the input passes a silent layer"
            ),
            fixes=waking_fix(site, readings),
        )
        yield explained_by_tiny_weights_only(finding, input_weight(site, readings), self.min_weight_scale, by="SPK406")

    def is_over(self, finding: Finding, readings: Readings, *, made_now: bool) -> bool:
        """Return whether the layer fires by now, and more than single spikes."""
        return not made_now and is_alive(readings.get(SpikeReading), self.min_alive_rate)


def observed(spikes: SpikeReading, since: tuple[int, int] | None, readings: Readings) -> Observed:
    """Return what was observed: in the recent forward passes, or since a layer that fired before went silent."""
    timeline = readings.get(SpikeTimelineReading)
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
