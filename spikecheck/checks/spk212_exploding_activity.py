"""Activity that grows from layer to layer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.layers import firing_rates_up_to
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import SpikeReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class ExplodingActivity(Check):
    """Firing rates grow from layer to layer toward saturation.

    ## What it means
    Each layer fires more than the one before, and the last one is close to saturation: its neurons no longer tell the
    patterns of the input apart.

    ## Example
    ```python broken
    for fc in (fc2, fc3):
        nn.init.uniform_(fc.weight, 0, 0.2)  # all positive: each layer adds to the rate of the one before
    lif1, lif2, lif3 = (snn.Leaky(beta=0.9) for _ in range(3))
    ```
    ```python repaired
    for fc in (fc2, fc3):
        nn.init.normal_(fc.weight, std=3 * fc.in_features**-0.5)
    lif1, lif2, lif3 = (snn.Leaky(beta=0.9) for _ in range(3))
    ```

    ## Fix
    ```python any
    linear.weight.data /= 3  # before each layer that fires more than the one before; or higher thresholds
    ```

    ## When it is intended
    The layers amplify a very sparse input.
    ```toml
    [tool.spikecheck.ignore]
    "SPK212" = "amplifier, by design"
    ```

    ## How it is decided
    The firing rates (spikes per neuron per time step) of all spiking layers are compared at the last one, with at least
    {min_layers} layers. It is a warning where no layer fires less often than the one before, the last fires {max_rate}
    times per step or more, and {max_rate_ratio} times as often as the first, now and in the first forward pass. While
    training goes on, it is reported only after {min_forward_passes} forward passes.

    Where neurons may spike several times per step, the rates multiply from layer to layer, and the gradients with them.
    """

    id: ClassVar = "SPK212"
    slug: ClassVar = "exploding-activity"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.SPIKES
    needs: ClassVar = (SpikeReading,)
    explained_by: ClassVar = (
        "SPK101",
        "SPK201",
        "SPK204",
        "SPK206",
        "SPK207",
        "SPK210",
        "SPK406",
    )
    self_resolving: ClassVar = True
    message: ClassVar = (
        "activity grows over {layers} layers: {first:.2g} spikes a step in the first, {last:.2g} in {site}"
    )

    min_layers: int = limit(3, why="judgment call: two layers are no trend")
    max_rate: float = limit(
        0.5, why="judgment call: a neuron that fires in more than every second step is halfway to saturation"
    )
    max_rate_ratio: float = limit(4.0, why="judgment call: from the first layer to the last; not measured on networks")
    min_forward_passes: int = limit(
        10, why="judgment call: as for a silent layer, since rates may settle in the first batches"
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding at the last layer, where the rates of all rise from the first to it."""
        seen = firing_rates_up_to(site, readings, self.min_forward_passes)
        if seen is None:
            return
        rates, start = seen
        if len(rates) < self.min_layers or not all(b >= a for a, b in pairwise(rates)):
            return
        if rates[-1] < max(self.max_rate, self.max_rate_ratio * rates[0]) or start[-1] < self.max_rate_ratio * start[0]:
            return
        yield self.finding(
            site,
            observed=Observed(
                "spikes per neuron and step, layer by layer: {rates}", rates=", ".join(f"{r:.2g}" for r in rates)
            ),
            expected=Expected(
                "rates of one order in all layers",
                because="a drive follows the rates before it: weights that are too large for them add to it",
            ),
            first=rates[0],
            last=rates[-1],
            layers=len(rates),
            excess=1,
        )
