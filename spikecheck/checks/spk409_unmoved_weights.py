"""Weights that an optimizer holds, and that never move."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.progress import learning, moved, others, weights
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import GradientReading, HandoverReading, UpdateReading
from spikecheck.site import Site, SiteKind

MISSING, ZERO = "it gets no gradient", "its gradient is 0"
BEFORE_THE_STEP = (MISSING, ZERO)
NO_RATE, ROUNDED = "its rate is 0", "its steps round to 0"
CLEARED = "its gradient is cleared between backward() and step()"


@dataclass(frozen=True)
class UnmovedWeights(Check):
    """The optimizer holds a weight and never moved it.

    ## What it means
    In {enough} steps or more that were compared, this weight was the same before and after. Its gradient was missing,
    or 0 in every entry, or its learning rate is 0, or the backward pass made a gradient that was gone when the step
    came. Where none of the weights moves, it is found only for a reason that lies in the optimizer and its calls: other
    checks say why no gradient comes at all.

    ## Why it matters
    What does not move does not learn. A gradient of exactly 0 is one that a silent layer, a closed surrogate or a
    `detach()` stopped on its way; a gradient that is missing is of a weight that the loss was not computed with. One
    that is cleared between `backward()` and `step()` lets the script run as if it trained: activity, loss and gradients
    look healthy, and the loss stays where it was.

    ## Fix
    ```python any
    optimizer.zero_grad()  # before backward(), never between it and step()
    loss.backward()
    print({name: None if p.grad is None else p.grad.norm() for name, p in model.named_parameters()})
    # None: the graph is cut between this weight and the loss; 0: a layer behind it is silent or out of its surrogate
    optimizer.step()
    ```

    ## Intended when
    A part of the model that is not used in this run, or a reservoir: `parameter.requires_grad_(False)`, or
    `[tool.spikecheck.ignore] "SPK409:aux.weight" = "second stage"`
    """

    id: ClassVar = "SPK409"
    slug: ClassVar = "unmoved-weights"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.UPDATE
    needs: ClassVar = (UpdateReading,)
    explained_by: ClassVar = (
        "SPK101",
        "SPK203",
        "SPK204",
        "SPK205",
        "SPK206",
        "SPK401",
        "SPK402",
        "SPK405",
        "SPK406",
        "SPK407",
    )
    passes: ClassVar = True
    message: ClassVar = "{first}{more} never moved in {updates} steps: {why}"

    enough: int = limit(10, why="taste: time for a layer that is silent at first to wake up")

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield one finding, at the first such weight."""
        updates = moved(readings, weights(readings))
        still = [name for name, update in updates.items() if update.unmoved == update.updates >= self.enough]
        if still[:1] != [site.name]:
            return
        update, why, alone = updates[site.name], reason(readings.all, readings.run.live), len(still) < len(updates)
        if why is None or (not alone and (why in BEFORE_THE_STEP or learning(readings))):
            return
        unused = why == MISSING and site.position == 0
        finding = self.found(
            site,
            severity=Severity.NOTE if unused else Severity.WARNING,
            seen=Seen("no difference in {updates} steps, for {names}", updates=update.updates, names=", ".join(still)),
            expected=Expected(
                "a step in every update",
                because="other weights of the model are moved" if alone else "without one nothing is learned",
            ),
            first=site.name,
            more=others(still),
            why=why,
        )
        yield finding if why in BEFORE_THE_STEP else replace(finding, explained_by=())


def reason(readings: Readings, live: bool) -> str | None:
    """Why it stays where it is; None while a rate of 0 may be the beginning of a warm-up."""
    gradient, handover = readings[GradientReading], readings.get(HandoverReading)
    if readings[UpdateReading].learning_rate == 0:
        return None if live else NO_RATE
    if handover is not None and handover.cleared == handover.updates:
        return CLEARED
    if gradient.missing == gradient.updates:
        return MISSING
    return ZERO if gradient.zero + gradient.missing > 0 else ROUNDED
