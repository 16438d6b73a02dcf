"""A weight that changes the loss, and that no gradient reaches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.experiment_readings import GradientPathReading
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class CutGradient(Check):
    """A weight that the optimizer holds changes the loss, but the backward pass does not reach it.

    ## What it means
    The path from the loss back to the weight is cut: by a spike function without a surrogate gradient, by `detach()`,
    or by a detour through numpy. The weight keeps its random values for the whole training.

    ## Example
    ```python broken
    spikes = (potential > threshold).float()
    logits = fc2(spikes)
    ```
    ```python repaired
    spikes = surrogate_spike(potential - threshold)  # an autograd function with a backward
    logits = fc2(spikes)
    ```

    ## Fix
    ```python snntorch
    layer.spike_grad = snntorch.surrogate.fast_sigmoid(slope=25)
    ```
    ```python any
    # give the spike function a surrogate gradient, and take detach(), .data, no_grad() and numpy out of forward()
    ```

    ## When it is intended
    The weight is random on purpose. Then freeze it and leave it out of the optimizer:
    `weight.requires_grad_(False)`.
    ```toml
    [tool.spikecheck.ignore]
    "SPK605:fc1.weight" = "random features"
    ```

    ## How it is decided
    `spikecheck.examine` makes backward passes on three batches in copies of the network. Where a weight with two axes
    or more, held by the optimizer, gets no gradient at all, random values of its own size are added to it. The check
    fires if that moves the loss by {min_relative_change:%} or more: the weight matters, and cannot be learned.
    """

    id: ClassVar = "SPK605"
    slug: ClassVar = "cut-gradient"
    severity: ClassVar = Severity.ERROR
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.EXPERIMENT
    needs: ClassVar = (GradientPathReading,)
    explained_by: ClassVar = ("SPK401",)
    explains: ClassVar = ("SPK409",)
    message: ClassVar = "{site} moves the loss by {change:%}, and no gradient reaches it"

    min_relative_change: float = limit(
        1e-5,
        why="measured: 0.0011 to 0.05 for weights behind a cut path; derived: one that is not used moves nothing, and "
        "rounding less than a millionth",
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding for a weight that matters and gets no gradient."""
        reading = readings[GradientPathReading]
        if not reading.is_none or reading.relative_change < self.min_relative_change:
            return
        yield self.finding(
            site,
            observed=Observed(
                "no gradient in any backward pass; random values added to the weight move the loss by {change:%}",
                change=reading.relative_change,
            ),
            expected=Expected("a gradient", because="the optimizer holds the weight and the loss depends on it"),
            when=Moment(),
        )
