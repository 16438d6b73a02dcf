"""Activity that fades from layer to layer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.layers import firing_rates_up_to
from spikecheck.checks.progress import any_loss_fell
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import SpikeReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class FadingActivity(Check):
    """Firing rates fall from layer to layer until little is left.

    ## What it means
    Each layer fires less than the one before, and the last one hardly fires at all. Where each layer fires a tenth as
    often as the one before, three layers leave a thousandth of the activity, and one more falls silent.

    ## Example
    ```python broken
    for fc in (fc2, fc3):
        nn.init.normal_(fc.weight, std=0.02)  # too small for firing rates of a few percent
    lif1, lif2, lif3 = (snn.Leaky(beta=0.9) for _ in range(3))
    ```
    ```python repaired
    for fc in (fc2, fc3):
        nn.init.normal_(fc.weight, std=3 * fc.in_features**-0.5)
    lif1, lif2, lif3 = (snn.Leaky(beta=0.9) for _ in range(3))
    ```

    ## Fix
    ```python any
    linear.weight.data *= 3  # before each layer that fires less than the one before; or add normalization
    ```
    ```python spikingjelly
    layer.decay_input = False  # True divides the input of every layer by tau
    ```

    ## When it is intended
    The readout fires rarely, behind layers that thin out the activity on purpose.
    ```toml
    [tool.spikecheck.ignore]
    "SPK211" = "sparse code, by layers"
    ```

    ## How it is decided
    The firing rates (spikes per neuron per time step) of all spiking layers are compared at the last one, with at least
    {min_layers} layers. It is a warning where no layer fires more often than the one before and the last fires at most
    {min_rate_ratio} times as often as the first, now and in the first forward pass: where training alone has silenced
    the last layer, the setup is not at fault. While training goes on, it is reported only after {min_forward_passes}
    forward passes. It is a note where the last layer still fires and a loss falls: that is enough to learn from.

    What reaches the loss are the spikes of the last layer, and what reaches a layer's weights passes all surrogate
    gradients behind it. The weights between the layers are too small for the rates that come in, or the thresholds are
    too high.
    """

    id: ClassVar = "SPK211"
    slug: ClassVar = "fading-activity"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.SPIKES
    needs: ClassVar = (SpikeReading,)
    explained_by: ClassVar = (
        "SPK102",
        "SPK103",
        "SPK104",
        "SPK106",
        "SPK203",
        "SPK205",
        "SPK206",
        "SPK207",
        "SPK209",
        "SPK214",
        "SPK215",
        "SPK406",
    )
    self_resolving: ClassVar = True
    downgrade_on_any_progress: ClassVar = (
        True  # the last layer fires: with the first loss that falls, it was a note already
    )
    message: ClassVar = (
        "activity fades over {layers} layers: {first:.2g} spikes a step in the first, {last:.2g} in {site}"
    )

    min_layers: int = limit(3, why="judgment call: two layers are no trend")
    min_rate_ratio: float = limit(
        0.02,
        why="measured: 0 where deep layers fall silent, 0.9 in the same network when healthy; the value in between is "
        "a judgment call",
    )
    min_forward_passes: int = limit(
        10, why="judgment call: as for a silent layer, since layers may wake up in the first batches"
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding at the last layer, where the rates of all fall from the first to it."""
        seen = firing_rates_up_to(site, readings, self.min_forward_passes)
        if seen is None:
            return
        rates, start = seen
        if len(rates) < self.min_layers or not all(b <= a for a, b in pairwise(rates)):
            return
        if rates[-1] > self.min_rate_ratio * rates[0] or start[-1] > self.min_rate_ratio * start[0]:
            return
        yield self.finding(
            site,
            severity=Severity.NOTE if rates[-1] and any_loss_fell(readings) else Severity.WARNING,
            observed=Observed(
                "spikes per neuron and step, layer by layer: {rates}", rates=", ".join(f"{r:.2g}" for r in rates)
            ),
            expected=Expected(
                "rates of one order in all layers",
                because="a drive follows the rates before it: weights that are too small for them thin it out further",
            ),
            first=rates[0],
            last=rates[-1],
            layers=len(rates),
            excess=1,
        )
