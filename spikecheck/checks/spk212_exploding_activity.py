"""Activity that grows from layer to layer."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from spikecheck.checks.base import limit
from spikecheck.checks.rate_trend import RateTrend
from spikecheck.finding import Severity


@dataclass(frozen=True)
class ExplodingActivity(RateTrend):
    """Firing rates grow from layer to layer toward saturation.

    ## What it means
    Each layer fires more than the one before, and the last one is close to saturation: its neurons no longer tell the
    patterns of the input apart.

    ## Example
    ```python broken
    for fc in (fc2, fc3):
        nn.init.uniform_(fc.weight, 0, 0.2)  # all weights are positive
    lif1, lif2, lif3 = (snn.Leaky(beta=0.9) for _ in range(3))
    ```
    ```python repaired
    for fc in (fc2, fc3):
        nn.init.normal_(fc.weight, std=3 * fc.in_features**-0.5)
    lif1, lif2, lif3 = (snn.Leaky(beta=0.9) for _ in range(3))
    ```

    ## Fix
    ```python any
    # before each layer that fires more than the one before
    # or raise the thresholds
    linear.weight.data /= 3
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
    past: ClassVar = "firing rates grew from layer to layer, up to {site}"
    message: ClassVar = (
        "firing rates grow over {layers} layers, from {first:.2n} to {last:.2n} spikes per neuron per step at {site}"
    )
    because: ClassVar = "weights that are too large multiply the spikes from layer to layer"

    max_rate: float = limit(
        0.5, why="judgment call: a neuron that fires in more than every second step is halfway to saturation"
    )
    max_rate_ratio: float = limit(4.0, why="judgment call: from the first layer to the last; not measured on networks")

    def is_faulty(self, recent: list[float], first: list[float]) -> bool:
        """Return whether the rates grow from layer to layer and end high, and grew in the first forward pass."""
        grows = all(after >= before for before, after in pairwise(recent))
        grown = all(rates[-1] >= self.max_rate_ratio * rates[0] for rates in (recent, first))
        return grows and grown and recent[-1] >= self.max_rate
