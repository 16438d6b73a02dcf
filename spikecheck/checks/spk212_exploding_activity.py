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
    Each layer fires more often than the one before, and the last one is close to saturation: its neurons respond in the
    same way to different inputs.

    ## Example
    ```python broken
    for fc in (fc2, fc3):
        nn.init.uniform_(fc.weight, 0, 0.2)  # all weights are positive
    lif1, lif2, lif3 = (snn.Leaky(beta=0.9) for _ in range(3))
    ```
    ```python repaired
    for fc in (fc2, fc3):
        # 256 inputs, 10% of which spike: one time step adds 3 / sqrt(256) * sqrt(25.6) = 0.95 (RMS)
        nn.init.normal_(fc.weight, std=3 * fc.in_features**-0.5)
    lif1, lif2, lif3 = (snn.Leaky(beta=0.9) for _ in range(3))
    ```

    ## Fix
    ```python any
    # `linear` feeds a spiking layer that fires more often than the previous one
    # replace 3: try larger divisors until the rates no longer grow
    linear.weight.data /= 3
    # or raise the threshold of that spiking layer
    ```

    ## When it is intended
    The layers amplify a very sparse input on purpose.
    ```toml
    [tool.spikecheck.ignore]
    "SPK212" = "amplifier, by design"
    ```

    ## How it is decided
    spikecheck compares the firing rates (spikes per neuron and time step) of all spiking layers, of which there must be
    at least {min_layers}. It warns if three conditions hold:

    - no layer fires less often than the one before;
    - the firing rate of the last layer is {max_rate} or more;
    - the last layer fires at least {max_rate_ratio} times as often as the first, both in the first forward pass and at
      the time of the check.

    While training runs, the layers are judged only after {min_forward_passes} forward passes, and the finding is
    printed only from update 64 on, because training may repair it. It is printed earlier if no weight between the input
    and the last layer is being updated.
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
    because: ClassVar = "weights that are too large produce more spikes at every layer"

    max_rate: float = limit(
        0.5, why="judgment call: a neuron that fires in more than half of the time steps is close to saturation"
    )
    max_rate_ratio: float = limit(4.0, why="judgment call: no network with growing rates was measured")

    def is_faulty(self, recent: list[float], first: list[float]) -> bool:
        """Return whether the rates grow from layer to layer and end high, and grew in the first forward pass."""
        grows = all(after >= before for before, after in pairwise(recent))
        grown = all(rates[-1] >= self.max_rate_ratio * rates[0] for rates in (recent, first))
        return grows and grown and recent[-1] >= self.max_rate
