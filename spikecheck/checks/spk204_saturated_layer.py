"""A spiking layer that fires nearly all the time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log10
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.layers import (
    WHY_SETTLED_RATES,
    WHY_SMOOTH,
    holds_spike_counts,
    is_smooth,
    spikes_may_be_unused,
    spikes_unused,
    too_early,
)
from spikecheck.checks.learning import has_learned, has_learned_much
from spikecheck.checks.silence import rate_now
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import SpikeReading
from spikecheck.site import Site, SiteKind

HALF = 0.5  # judgment call: a saturated layer does not fire half as often from one update to the next


@dataclass(frozen=True)
class SaturatedLayer(Check):
    """A spiking layer fires nearly all the time.

    ## What it means
    Most neurons of the layer fire in nearly every time step, so the next layer gets a constant input: a neuron that
    always fires carries no more information about the input than one that never does. The potentials are far above the
    threshold, where the surrogate gradient is small, so training corrects this only slowly.

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
    ```python handwritten
    # replace 10.0: raise the threshold until the neurons no longer fire all the time
    layer.threshold = 10.0
    # or use smaller weights before the layer, or reset it after each spike
    ```
    ```python snntorch
    # replace 10.0: raise the threshold until the neurons no longer fire all the time
    layer.threshold.data.fill_(10.0)
    # or use smaller weights and biases before the layer
    ```
    ```python sinabs
    # replace 10.0: raise the threshold until the neurons no longer fire all the time
    layer.spike_threshold.data = torch.full_like(layer.spike_threshold, 10.0)
    # or use smaller weights and biases before the layer
    ```
    ```python rockpool
    # replace 10.0: raise the threshold until the neurons no longer fire all the time
    layer.threshold.data.fill_(10.0)
    # or use smaller weights and biases before the layer
    ```
    ```python spikingjelly
    # replace 10.0: raise the threshold until the neurons no longer fire all the time
    layer.v_threshold = 10.0
    # or use smaller weights and biases before the layer
    ```
    ```python norse
    # replace 10.0: raise the threshold until the neurons no longer fire all the time
    layer.p = layer.p._replace(v_th=torch.tensor(10.0))
    ```

    ## When it is intended
    The layer encodes a constant, or works as a bias: a neuron that always fires.
    ```toml
    [tool.spikecheck.ignore]
    "SPK204:encoder" = "constant current in, by design"
    ```

    ## How it is decided
    A neuron is saturated if it fires in at least 95% of the time steps, over all samples. spikecheck warns if at least
    {max_saturated_fraction:%} of the neurons are saturated, or if the neurons fire in at least {max_active_fraction:%}
    of the time steps on average.

    While training runs, the layer is judged only after {min_forward_passes} forward passes, and the finding is printed
    only from update 64 on, because training may repair the layer. It is printed earlier if no weight between the input
    and the layer is being updated. A layer whose spikes get no gradient, because only its potential is used, is not
    reported. Before the first backward pass this is unknown for the last spiking layer, which then gets a note. A layer
    {max_smooth_share:%} of whose values are fractional does not spike at all, and is not judged.

    If less than {max_saturated_fraction:%} of the neurons are saturated, or these emit several spikes per time step,
    whose number tells how strong their input is, it is only a note in a network that learns: one whose loss is at most
    half of that of a guess, or, while training runs, anywhere below it. Several spikes per time step are only a note in
    a network that is evaluated without any training, too: one that was converted passes its activations on in this way.
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
        why="judgment call: half of the layer; measured: at most 7% in healthy networks, 81% if the threshold is below "
        "the resting potential",
    )
    max_active_fraction: float = limit(
        0.7,
        why="measured: at most 0.47 in healthy networks, 0.80 if neurons are never reset; the value in between is a "
        "judgment call",
    )
    max_smooth_share: float = limit(0.9, why=WHY_SMOOTH)
    min_forward_passes: int = limit(10, why=WHY_SETTLED_RATES)

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where too many neurons are saturated, or where the layer fires too often."""
        spikes = readings[SpikeReading]
        if not spikes.elements or spikes_unused(readings) or is_smooth(spikes, self.max_smooth_share):
            return
        if too_early(readings, spikes.forward_passes, self.min_forward_passes):
            return
        saturated, active = spikes.saturated_neurons / spikes.neurons, spikes.active / spikes.elements
        if saturated < self.max_saturated_fraction and active < self.max_active_fraction:
            return
        learned = has_learned(readings) if readings.run.live else has_learned_much(readings)
        counts = holds_spike_counts(spikes)
        harmless = (learned and saturated < self.max_saturated_fraction) or (
            counts and (learned or readings.run.without_gradients)
        )
        yield self.finding(
            site,
            severity=Severity.NOTE if harmless or spikes_may_be_unused(site, readings) else Severity.WARNING,
            observed=Observed(
                "neurons fire in {active:%} of the time steps on average; {saturated} of {neurons} neurons fire in at "
                "least 95% of them",
                saturated=spikes.saturated_neurons,
                neurons=spikes.neurons,
                active=active,
            ),
            expected=Expected(
                "spikes in less than {active:%} of the time steps, and less than {saturated:%} of neurons saturated",
                because="a neuron that always fires carries no information; often the threshold is too low, or the "
                "reset is missing",
                active=self.max_active_fraction,
                saturated=self.max_saturated_fraction,
            ),
            excess=log10(max(saturated / self.max_saturated_fraction, active / self.max_active_fraction)),
        )

    def is_over(self, finding: Finding, readings: Readings, *, made_now: bool) -> bool:
        """Return whether the layer fires less than half as often in the latest updates as when it was measured."""
        measured, latest = readings[SpikeReading].rate, rate_now(readings)
        return not made_now or (measured is not None and latest is not None and latest < HALF * measured)
