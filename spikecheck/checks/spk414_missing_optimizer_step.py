"""Backward passes that no optimizer step follows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import RunReading
from spikecheck.site import Moment, Site, SiteKind
from spikecheck.update_readings import UnusedGradientReading


@dataclass(frozen=True)
class MissingOptimizerStep(Check):
    """Gradients are computed again and again, and no optimizer ever uses them.

    ## What it means
    `backward()` only computes gradients; the weights change when `optimizer.step()` is called. Here it never was, or it
    was called on an optimizer that holds none of the model's parameters, so the network is as it was initialized.

    ## Example
    ```python broken
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1000)
    for x, y in loader:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        scheduler.step()  # changes the learning rate, and no weight
    ```
    ```python repaired
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1000)
    for x, y in loader:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        scheduler.step()
    ```

    ## Fix
    ```python any
    loss.backward()
    # the optimizer must have been built from the parameters of this model
    optimizer.step()
    ```

    ## When it is intended
    Only the gradients are of interest, for saliency maps or an estimate of the Fisher information. After
    `model.eval()`, or if the input requires gradients, there is no finding anyway.
    ```toml
    [tool.spikecheck.ignore]
    "SPK414" = "gradients are only looked at"
    ```

    ## How it is decided
    In training mode, backward passes bring gradients to the weights, no optimizer that holds them has stepped, and the
    weights are unchanged (64 values of each are compared). The number of backward passes that a finding needs depends
    on the script:

    - the gradients are cleared between the passes: {min_backward_passes} if there is an optimizer,
      {min_passes_without_optimizer} if there is none;
    - the gradients are not cleared, and may be accumulating for the first update: {min_accumulated_passes}, or
      {min_accumulated_passes_in_training} while training runs.

    There is no finding where the script changes the weights itself, in whatever way.
    """

    id: ClassVar = "SPK414"
    slug: ClassVar = "missing-optimizer-step"
    severity: ClassVar = Severity.ERROR
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.UNUSED_GRADIENT
    needs: ClassVar = (UnusedGradientReading,)
    explained_by: ClassVar = ("SPK405",)
    explains: ClassVar = ("SPK302", "SPK309", "SPK312", "SPK313")
    ranks_first: ClassVar = True
    ascending: ClassVar = (
        ("min_backward_passes", "min_passes_without_optimizer"),
        ("min_accumulated_passes", "min_accumulated_passes_in_training"),
    )
    message: ClassVar = "{weights} never moved in {passes} backward passes: {reason}"

    min_backward_passes: int = limit(
        32, why="judgment call: a script may look at the gradients of a few batches before it trains", minimum=1
    )
    min_passes_without_optimizer: int = limit(
        64, why="judgment call: without an optimizer, the script may need nothing but the gradients", minimum=1
    )
    min_accumulated_passes: int = limit(
        64, why="judgment call: scripts add up the gradients of up to 64 batches for one update", minimum=1
    )
    min_accumulated_passes_in_training: int = limit(
        256, why="judgment call: while training goes on, the first update may still be to come", minimum=1
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield one finding, at the first weight with a gradient, where no weight moved."""
        run, unused = readings.run, readings.all.every(UnusedGradientReading)
        reached = {name: one for name, one in unused.items() if one.gradient_passes}
        if run.update or next(iter(reached), None) != site.name or any(one.moved_passes for one in unused.values()):
            return
        most = max(reached.values(), key=lambda one: one.gradient_passes)
        cleared = most.cleared_passes > most.gradient_passes - most.cleared_passes  # in most passes
        without_gradient = most.backward_passes - most.gradient_passes
        if without_gradient > most.gradient_passes or run.backward_passes < self.min_passes(run, cleared):
            return
        yield self.finding(
            site,
            observed=Observed(
                "{passes} backward passes with gradients for {weights} parameters, and no update",
                passes=run.backward_passes,
                weights=len(reached),
            ),
            expected=Expected(
                "a step() of an optimizer that holds the weights, after every backward pass or every few",
                because="backward() only computes gradients and changes no weight",
            ),
            when=Moment(0),
            weights="the weights" if len(reached) > 1 else site.name,
            reason=reason(run),
        )

    def min_passes(self, run: RunReading, cleared: bool) -> int:
        """Return how many backward passes are enough to tell."""
        if not cleared:
            return self.min_accumulated_passes_in_training if run.live else self.min_accumulated_passes
        known = run.idle_optimizers or run.foreign_optimizer
        return self.min_backward_passes if known else self.min_passes_without_optimizer


def reason(run: RunReading) -> str:
    """Return what the optimizers of the script did, as the rest of a sentence."""
    if run.idle_optimizers:
        return f"step() of {run.idle_optimizers[0].kind} is never called"
    if run.foreign_optimizer is not None:
        return f"{run.foreign_optimizer} steps, and holds none of the model's parameters"
    return "no optimizer holds them"
