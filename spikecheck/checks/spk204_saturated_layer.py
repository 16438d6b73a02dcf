"""A spiking layer that fires nearly all the time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log10
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.layers import WHY_MIN_FORWARD_PASSES, spikes_may_be_unused, spikes_unused, too_early
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import SpikeReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class SaturatedLayer(Check):
    """A spiking layer fires nearly all the time.

    ## What it means
    Most neurons of the layer fire in nearly every time step, so the next layer gets a constant: a neuron that always
    fires says no more about the input than one that never does. The potentials lie far above the threshold, where the
    surrogate gradient is small, so the weights that drive the layer too strongly come down slowly.

    ## Example
    ```python broken
    nn.init.uniform_(fc1.weight, 0, 1)  # all weights are positive
    lif1 = snn.Leaky(beta=0.9, threshold=1.0)
    spikes, mem = lif1(fc1(x_t), mem)
    ```
    ```python repaired
    nn.init.kaiming_uniform_(fc1.weight)
    lif1 = snn.Leaky(beta=0.9, threshold=1.0)
    spikes, mem = lif1(fc1(x_t), mem)
    ```

    ## Fix
    ```python any
    # larger than what one step adds
    layer.threshold = 1.0
    # or smaller weights before the layer, or a reset
    ```
    ```python snntorch
    # larger than what one step adds
    layer.threshold.data.fill_(1.0)
    # or smaller weights and biases before the layer
    ```
    ```python sinabs
    # larger than what one step adds
    layer.spike_threshold.data.fill_(1.0)
    # or smaller weights and biases before the layer
    ```
    ```python spikingjelly
    # larger than what one step adds
    layer.v_threshold = 1.0
    # or smaller weights and biases before the layer
    ```
    ```python norse
    # larger than what one step adds
    layer.p = layer.p._replace(v_th=torch.tensor(1.0))
    ```

    ## When it is intended
    The layer encodes a constant, or works as a bias: a neuron that always fires.
    ```toml
    [tool.spikecheck.ignore]
    "SPK204:encoder" = "constant current in, by design"
    ```

    ## How it is decided
    A neuron is saturated where it fires in at least 95% of the time steps and samples. It is a warning where a fraction
    of {max_saturated_fraction} or more of the neurons is saturated, or where a fraction of {max_active_fraction} or
    more of all values (one per neuron, time step and sample) are spikes. While training goes on, it is reported only
    after {min_forward_passes} forward passes, and the monitor warns of it only after 64 updates; at once where no
    weight from the input up to the layer gets a gradient and moves. As long as no backward pass was observed, the last
    spiking layer gets a note, since its potential may be what is read.
    """

    id: ClassVar = "SPK204"
    slug: ClassVar = "saturated-layer"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.SPIKES
    needs: ClassVar = (SpikeReading,)
    explained_by: ClassVar = (
        "SPK101",
        "SPK206",
        "SPK207",
        "SPK210",
        "SPK311",
        "SPK405",
        "SPK406",
        "SPK407",
        "SPK413",
    )
    self_resolving: ClassVar = True
    past: ClassVar = "{site} was saturated"
    message: ClassVar = (
        "{site} fires in {active:%} of its time steps; {saturated} of {neurons} neurons nearly always fire"
    )

    max_saturated_fraction: float = limit(
        0.5,
        why="derived: most of the layer; measured: at most 7% in healthy networks, one of which fired in 47% of all "
        "steps, and 81% where the threshold is below the resting potential",
    )
    max_active_fraction: float = limit(
        0.7,
        why="measured: at most 0.47 in healthy networks, 0.80 where neurons are never reset; the value in between is a "
        "judgment call",
    )
    min_forward_passes: int = limit(10, why=WHY_MIN_FORWARD_PASSES)

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where too many neurons are saturated, or where the layer fires too often."""
        spikes = readings[SpikeReading]
        if not spikes.elements or spikes_unused(readings):
            return
        if too_early(readings, spikes.forward_passes, self.min_forward_passes):
            return
        saturated, active = spikes.saturated_neurons / spikes.neurons, spikes.active / spikes.elements
        if saturated < self.max_saturated_fraction and active < self.max_active_fraction:
            return
        yield self.finding(
            site,
            severity=Severity.NOTE if spikes_may_be_unused(site, readings) else Severity.WARNING,
            observed=Observed(
                "{active:%} of the values (neuron, time step, sample) are spikes; {saturated} of {neurons} neurons "
                "fire in at least 95% of theirs",
                saturated=spikes.saturated_neurons,
                neurons=spikes.neurons,
                active=active,
            ),
            expected=Expected(
                "spikes in less than {active:%} of the time steps, less than {saturated:%} of the neurons saturated",
                because="a neuron that always fires says nothing; often the threshold is too low or a reset is missing",
                active=self.max_active_fraction,
                saturated=self.max_saturated_fraction,
            ),
            excess=log10(max(saturated / self.max_saturated_fraction, active / self.max_active_fraction)),
        )
