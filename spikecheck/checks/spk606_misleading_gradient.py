"""A loss that rises where a weight's gradient says that it falls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.experiment_readings import SlopeReading
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class MisleadingGradient(Check):
    """The loss rises when a weight is moved against its gradient.

    ## What it means
    The gradient that the backward pass computes points in the wrong direction: each update makes the loss larger. A
    surrogate gradient with the wrong sign does that, or a custom backward that differentiates something else.

    ## Example
    ```python broken
    def backward(ctx, grad):
        return -grad / (1 + 10 * potential.abs()) ** 2
    ```
    ```python repaired
    def backward(ctx, grad):
        return grad / (1 + 10 * potential.abs()) ** 2
    ```

    ## Fix
    ```python any
    # the surrogate gradient of a spike is never negative: check the sign in backward(), and which argument it is for
    ```

    ## When it is intended
    A gradient reversal layer, as in adversarial training.
    ```toml
    [tool.spikecheck.ignore]
    "SPK606:encoder.weight" = "gradient reversal"
    ```

    ## How it is decided
    `spikecheck.examine` moves each weight along its gradient and against it, by 3% of its norm, on several batches and
    with small random changes that smooth the spikes. The mean of the measured slopes should be about the norm of the
    gradient. The check fires if it is below 0 by {min_standard_errors} standard errors, and at least
    {min_opposite_share:%} of the norm.
    """

    id: ClassVar = "SPK606"
    slug: ClassVar = "misleading-gradient"
    severity: ClassVar = Severity.ERROR
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.EXPERIMENT
    needs: ClassVar = (SlopeReading,)
    explained_by: ClassVar = ("SPK601", "SPK602")
    explains: ClassVar = ("SPK302", "SPK312")
    message: ClassVar = "{site}: the loss rises against the gradient, {ratio:.2n} times as fast as it should fall"

    min_standard_errors: float = limit(
        5.0, why="derived: with 7 degrees of freedom, Student's t is below -5 by chance once in 1,300 weights"
    )
    min_opposite_share: float = limit(
        0.2, why="measured: -0.06 to 5.8 times the norm in 60 healthy networks, -1.3 with the wrong sign"
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where the measured slope is clearly negative."""
        reading = readings[SlopeReading]
        if reading.backward <= 0 or reading.measured > -self.min_standard_errors * reading.error:
            return
        ratio = reading.measured / reading.backward
        if ratio > -self.min_opposite_share:
            return
        yield self.finding(
            site,
            observed=Observed(
                "the measured slope along the gradient is {measured:n}, the backward pass says {backward:n}",
                measured=reading.measured,
                backward=reading.backward,
            ),
            expected=Expected("about the same", because="the gradient points to where the loss rises"),
            when=Moment(),
            ratio=-ratio,
        )
