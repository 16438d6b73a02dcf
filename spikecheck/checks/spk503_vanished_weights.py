"""Weights far below the scale of any initializer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log10
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.site import Site, SiteKind
from spikecheck.stored import StoredReading


@dataclass(frozen=True)
class VanishedWeights(Check):
    """Weights in the checkpoint have shrunk to nearly 0.

    ## What it means
    The weights of this layer are so small that its input hardly moves a membrane potential. The neurons that it
    feeds cannot fire, and almost no gradient reaches the weights to make them grow again.

    ## Example
    ```python broken
    # each update shrinks every weight by lr * weight_decay = 5%
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=0.5)
    train(model, optimizer, updates=200)
    torch.save(model.state_dict(), "last.pt")
    ```
    ```python repaired
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=1e-4)
    train(model, optimizer, updates=200)
    torch.save(model.state_dict(), "last.pt")
    ```

    ## Fix
    ```python any
    # train again with less weight decay, from a checkpoint from before the weights shrank
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-4)
    ```

    ## When it is intended
    The layer starts near 0 on purpose, such as the last one of a residual branch.
    ```toml
    [tool.spikecheck.ignore]
    "SPK503:block.out.weight" = "starts near 0"
    ```

    ## How it is decided
    The check fires if the scale of a weight (its root mean square times the square root of its fan-in) is below
    {min_scale} and not exactly 0; initializers give 0.58 to 1.41. A weight that is 0 everywhere is reported by the
    check `dead-rows`. If a tenth of the inputs are active, a scale of 0.01 gives an input current of 0.01 * sqrt(0.1) =
    0.003 per time step (RMS), against a threshold of 1. The usual cause is weight decay on a weight whose gradient is 0
    (with a gradient of None, the optimizer would skip the weight).
    """

    id: ClassVar = "SPK503"
    slug: ClassVar = "vanished-weights"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.STORED
    needs: ClassVar = (StoredReading,)
    explained_by: ClassVar = ()
    message: ClassVar = "{site} has scale {scale}; initializers give 0.6 to 1.4"

    min_scale: float = limit(
        0.01, why="measured: no scale below 0.1 in networks that train; the limit is a tenth of that"
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where a weight's scale is below the limit and not 0."""
        weight = readings[StoredReading]
        if weight.role != "weight" or not weight.finite or not 0 < weight.scale < self.min_scale:
            return
        yield self.finding(
            site,
            observed=Observed(
                "scale {scale} (RMS {rms} x sqrt(fan-in {fan_in}))",
                rms=weight.rms,
                fan_in=weight.fan_in,
                scale=weight.scale,
            ),
            expected=Expected(
                "a scale of 0.6 to 1.4", because="weights this small do not bring a neuron to its threshold"
            ),
            excess=log10(self.min_scale / weight.scale),
        )
