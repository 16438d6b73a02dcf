"""A spiking layer that fires nearly all the time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log10
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.layers import WHY_PATIENCE, hasty, unsure, unused
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import SpikeReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class SaturatedLayer(Check):
    """A spiking layer fires nearly all the time.

    ## What it means
    A neuron that fires in at least 95 % of the steps and samples is saturated. Found is a layer in which a share of
    {share} or more of the neurons is, or in which a share of {active} or more of all bins hold a spike. While training
    goes on, this is found only after {patience} forwards, and there is a warning only after 64 updates; at once where
    no weight from the input up to the layer gets a gradient and moves.

    ## Why it matters
    A neuron that always fires carries no more than one that never does: the layer behind it gets a constant. The
    potentials lie far above the threshold, where the surrogate gradient is small, so that the weights that drive it too
    strongly are slow to come down.

    ## Fix
    ```python any
    layer.threshold = 1.0  # larger than what a step adds; or smaller weights before it, or a reset
    ```
    ```python snntorch
    layer.threshold.data.fill_(1.0)  # larger than what a step adds; or smaller weights and biases before it
    ```
    ```python sinabs
    layer.spike_threshold.data.fill_(1.0)  # larger than what a step adds; or smaller weights and biases before it
    ```
    ```python spikingjelly
    layer.v_threshold = 1.0  # larger than what a step adds; or smaller weights and biases before it
    ```
    ```python norse
    norse.torch.LIFCell(norse.torch.LIFParameters(v_th=torch.tensor(1.0)))  # larger than what a step adds
    ```

    ## Intended when
    The layer encodes a constant, or a bias as a neuron that always fires: `[tool.spikecheck.ignore] "SPK204:encoder" =
    "constant current in, by design"`
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
    passes: ClassVar = True
    message: ClassVar = "{site} fires in {active:.0%} of its bins, {saturated} of {neurons} neurons in nearly all"

    share: float = limit(
        0.5,
        why="derived: most of the layer; measured: 7 % at most in healthy networks, one of them with 47 % of its bins "
        "active, and 81 % where the threshold is below rest",
    )
    active: float = limit(
        0.7,
        why="measured: 0.47 at most in healthy networks, 0.80 where neurons are never reset; in between, taste",
    )
    patience: int = limit(10, why=WHY_PATIENCE)

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where too many neurons are saturated, or too many bins active."""
        spikes = readings[SpikeReading]
        if not spikes.elements or unused(readings) or hasty(readings, spikes.forwards, self.patience):
            return
        share, active = spikes.saturated / spikes.neurons, spikes.active / spikes.elements
        if share < self.share and active < self.active:
            return
        yield self.found(
            site,
            severity=Severity.NOTE if unsure(site, readings) else Severity.WARNING,
            seen=Seen(
                "{active:.1%} of all bins hold a spike; {saturated} of {neurons} neurons fire in nearly every step",
                saturated=spikes.saturated,
                neurons=spikes.neurons,
                active=active,
            ),
            expected=Expected(
                "spikes in less than {active:.0%} of the bins",
                because="a neuron that always fires tells nothing, and no reset or a low threshold makes it so",
                active=self.active,
            ),
            weight=log10(max(share / self.share, active / self.active)),
        )
