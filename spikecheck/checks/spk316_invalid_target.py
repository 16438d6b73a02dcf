"""Targets for which the loss is not defined."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.number_format import fill
from spikecheck.readings import LossReading, RegressionTargetReading
from spikecheck.site import Site, SiteKind

BINARY = ("binary_cross_entropy", "binary_cross_entropy_with_logits")
NOT_NEGATIVE = (*BINARY, "cross_entropy", "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")


@dataclass(frozen=True)
class InvalidTarget(Check):
    """A target lies outside of what the loss is defined for.

    ## What it means
    Binary cross-entropy expects targets from 0 to 1. With a target of 5 it has no minimum: the loss falls below 0 and
    keeps falling, since larger outputs always lower it further, and its value no longer tells how good the network is.

    ## Example
    ```python broken
    spikes, membrane = lif(fc(x), lif.init_leaky())
    target = torch.zeros_like(membrane).scatter_(1, y[:, None], 5.0)  # five spikes for the right class
    loss = torch.nn.functional.binary_cross_entropy_with_logits(membrane, target)
    ```
    ```python repaired
    spikes, membrane = lif(fc(x), lif.init_leaky())
    target = torch.zeros_like(membrane).scatter_(1, y[:, None], 1.0)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(membrane, target)
    ```

    ## Fix
    ```python any
    # binary cross-entropy needs targets from 0 to 1
    print(target.min(), target.max())
    target = target.clamp(0, 1)
    # if the targets are valid and the loss is negative, look for class weights below 0
    ```

    ## When it is intended
    Targets outside of 0 to 1 are never right for binary cross-entropy. Class weights below 0, which make any loss
    negative, may be on purpose.
    ```toml
    [tool.spikecheck.ignore]
    "SPK316" = "negative class weights"
    ```

    ## How it is decided
    Binary cross-entropy was given a target below 0 or above 1. Or a loss that cannot be negative (cross-entropy, binary
    cross-entropy, squared or absolute differences) was below 0 by more than {max_rounding_error}.
    """

    id: ClassVar = "SPK316"
    slug: ClassVar = "invalid-target"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.LOSS
    needs: ClassVar = (LossReading,)
    explained_by: ClassVar = ("SPK306",)
    explains: ClassVar = ("SPK301", "SPK302", "SPK303", "SPK309", "SPK311", "SPK312", "SPK313")
    message: ClassVar = "{what}"

    max_rounding_error: float = limit(1e-4, why="derived: the rounding error of a 32-bit loss of up to about 1,000")

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where a target or the loss itself is out of range."""
        loss, targets = readings.all[LossReading], readings.all.get(RegressionTargetReading)
        low, high = (0.0, 1.0) if targets is None else (targets.target_minimum, targets.target_maximum)
        outside = loss.function in BINARY and (low < 0 or high > 1)
        negative = loss.function in NOT_NEGATIVE and (loss.minimum or 0.0) < -self.max_rounding_error
        if not outside and not negative:
            return
        what = "{loss} is {minimum:n}; with valid targets and class weights it is at least 0"
        if outside:
            what = "targets of {loss} range from {low:n} to {high:n}; it is defined for 0 to 1"
        yield self.finding(
            site,
            observed=Observed(
                "the lowest {loss} is {minimum:n}, for targets from {low:n} to {high:n}"
                if outside
                else "the lowest {loss} is {minimum:n}",
                loss=loss.function,
                minimum=loss.minimum,
                low=low,
                high=high,
            ),
            expected=Expected(
                "targets from 0 to 1" if loss.function in BINARY else "a loss of at least 0",
                because="otherwise the loss falls without end, and says nothing about the network",
            ),
            what=fill(what, loss=loss.function, low=low, high=high, minimum=loss.minimum),
        )
