"""Weights far above the scale of any initializer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, log10
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.site import Site, SiteKind
from spikecheck.stored import StoredReading


@dataclass(frozen=True)
class ExplodedWeights(Check):
    """Weights in the checkpoint are far larger than initialization and training make them.

    ## What it means
    The weights of this layer are many times larger than in a network that trains well. The signs of the weights alone
    then decide which neurons fire, and updates of ordinary size no longer change that.

    ## Example
    ```python broken
    # N(0, 1): scale sqrt(700) = 26 for 700 inputs
    nn.init.normal_(model.fc1.weight)
    torch.save(model.state_dict(), "last.pt")
    ```
    ```python repaired
    # scale 0.58 for any number of inputs
    nn.init.kaiming_uniform_(model.fc1.weight, a=5**0.5)
    torch.save(model.state_dict(), "last.pt")
    ```

    ## Fix
    ```python any
    # initialize the layer again; or, if training diverged, go back to an earlier checkpoint and lower the learning rate
    torch.nn.init.kaiming_uniform_(layer.weight, a=5**0.5)
    ```

    ## When it is intended
    The layer works in its own units, such as millivolts.
    ```toml
    [tool.spikecheck.ignore]
    "SPK502:fc1.weight" = "converted weights in millivolts"
    ```

    ## How it is decided
    The scale of a weight is its root mean square times the square root of its fan-in: 0.58 by default in `nn.Linear`,
    1.41 with He initialization, for any layer width. A scale above {max_scale} is a warning, one above
    {min_error_scale} an error. Embedding tables are not judged, because a lookup does not sum over inputs. The loss
    need not show exploded weights: a neuron fires at most once per time step, however large its input is.

    Measured: a scale of 0.6 to 3.7 in healthy trained networks, 16 for weights drawn from N(0, 1) with 256 inputs, and
    527 for a layer made to diverge on purpose, by 12 updates with a learning rate of 30,000.
    """

    id: ClassVar = "SPK502"
    slug: ClassVar = "exploded-weights"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.STORED
    needs: ClassVar = (StoredReading,)
    explained_by: ClassVar = ("SPK501",)
    ascending: ClassVar = (("max_scale", "min_error_scale"),)
    message: ClassVar = "{site} has scale {scale}; initializers give 0.6 to 1.4, training up to 4"

    max_scale: float = limit(10.0, why="measured: healthy trained networks up to 3.7; N(0, 1) gives 16 with 256 inputs")
    min_error_scale: float = limit(
        100.0, why="derived: N(0, 1) stays below it for any fan-in up to 10,000; only divergence goes beyond"
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where a weight's scale is above the limit."""
        weight = readings[StoredReading]
        if weight.role != "weight" or "embed" in site.name.lower() or not weight.scale > self.max_scale:
            return
        yield self.finding(
            site,
            severity=Severity.ERROR if weight.scale > self.min_error_scale else Severity.WARNING,
            observed=Observed(
                "scale {scale} (RMS {rms} x sqrt(fan-in {fan_in})), values {minimum} to {maximum}",
                rms=weight.rms,
                fan_in=weight.fan_in,
                scale=weight.scale,
                minimum=weight.minimum,
                maximum=weight.maximum,
            ),
            expected=Expected(
                "a scale of 0.6 to 1.4, up to 4 after training", because="it is the same for any layer width"
            ),
            excess=log10(weight.scale / self.max_scale) if weight.scale < inf else inf,
        )
