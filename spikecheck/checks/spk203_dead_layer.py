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
from spikecheck.checks.waking import waking_fix
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import SpikeReading
from spikecheck.site import Site, SiteKind


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
    It is an error where the layer emitted no spike in the recent forward passes. While training goes on, it is reported
    only after {min_forward_passes} forward passes, and the monitor warns of it only after 64 updates, since healthy
    layers may wake up; it warns at once where none can: where no weight from the input up to the layer gets a gradient
    and moves. A layer whose potential is read out, and whose spikes get no gradient, is left alone. As long as no
    backward pass was observed, the last spiking layer gets a note, since its potential may be what is read.

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
    message: ClassVar = "{site} is silent: 0 spikes in {steps} time steps ({neurons} neurons)"

    min_weight_scale: float = limit(SMALL_SCALE, why=WHY_SMALL_SCALE)
    min_forward_passes: int = limit(10, why=WHY_MIN_FORWARD_PASSES)

    min_alive_rate: float = limit(ALIVE_RATE, why=WHY_ALIVE_RATE)

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where a layer was silent; a note where its potential may be what is read."""
        spikes = readings[SpikeReading]
        if not is_silent(spikes) or spikes_unused(readings):
            return
        if too_early(readings, spikes.forward_passes, self.min_forward_passes):
            return
        finding = self.finding(
            site,
            severity=Severity.NOTE if spikes_may_be_unused(site, readings) else Severity.ERROR,
            observed=Observed(
                "0 spikes from {neurons} neurons in {steps} time steps of {forward_passes} forward passes",
                neurons=spikes.neurons,
                steps=spikes.time_steps,
                forward_passes=spikes.forward_passes,
            ),
            expected=Expected(
                "spikes in some time steps", because="no information about the input passes a silent layer"
            ),
            fixes=waking_fix(site, readings),
        )
        yield explained_by_tiny_weights_only(finding, input_weight(site, readings), self.min_weight_scale, by="SPK406")

    def is_over(self, finding: Finding, readings: Readings, *, made_now: bool) -> bool:
        """Return whether the layer fires by now, and more than single spikes."""
        return not made_now and is_alive(readings.get(SpikeReading), self.min_alive_rate)
