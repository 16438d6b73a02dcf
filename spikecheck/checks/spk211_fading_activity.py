"""Activity that fades from layer to layer."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from spikecheck.checks.base import Readings, limit
from spikecheck.checks.learning import makes_progress
from spikecheck.checks.rate_trend import RateTrend
from spikecheck.finding import Severity


@dataclass(frozen=True)
class FadingActivity(RateTrend):
    """Firing rates fall from layer to layer until little is left.

    ## What it means
    Each layer fires less than the one before, and the last one hardly fires at all. Where each layer fires a tenth as
    often as the one before, three layers leave a thousandth of the activity, and one more falls silent.

    ## Example
    ```python broken
    for fc in (fc2, fc3):
        nn.init.normal_(fc.weight, std=0.02)  # too small
    lif1, lif2, lif3 = (snn.Leaky(beta=0.9) for _ in range(3))
    ```
    ```python repaired
    for fc in (fc2, fc3):
        nn.init.normal_(fc.weight, std=3 * fc.in_features**-0.5)
    lif1, lif2, lif3 = (snn.Leaky(beta=0.9) for _ in range(3))
    ```

    ## Fix
    ```python any
    # before each layer that fires less than the one before
    # or add normalization
    linear.weight.data *= 3
    ```
    ```python spikingjelly
    # True divides the input of every layer by tau
    layer.decay_input = False
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
    past: ClassVar = "firing rates fell from layer to layer, up to {site}"
    message: ClassVar = (
        "firing rates fall over {layers} layers, from {first:.2n} to {last:.2n} spikes per neuron per step at {site}"
    )
    because: ClassVar = "weights that are too small thin the spikes out further from layer to layer"

    min_rate_ratio: float = limit(
        0.02,
        why="measured: 0 where deep layers fall silent, 0.9 in the same network when healthy; the value in between is "
        "a judgment call",
    )

    def is_faulty(self, recent: list[float], first: list[float]) -> bool:
        """Return whether the rates fall from layer to layer, now and in the first forward pass."""
        falls = all(after <= before for before, after in pairwise(recent))
        return falls and all(rates[-1] <= self.min_rate_ratio * rates[0] for rates in (recent, first))

    def severity_of(self, rates: list[float], readings: Readings) -> Severity:
        """Return a note where the last layer fires and a loss falls: there is enough to learn from."""
        return Severity.NOTE if rates[-1] and makes_progress(readings) else Severity.WARNING
