"""Weights that an optimizer holds, and that never move."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.progress import moved, others, weights
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import GradientReading, UpdateReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class UnmovedWeights(Check):
    """The optimizer holds a weight and never moved it, while it moves others.

    ## What it means
    In {enough} steps or more that were compared, this weight was the same before and after. Its gradient was missing,
    or 0 in every entry, or its learning rate is 0.

    ## Why it matters
    What does not move does not learn. A gradient of exactly 0 is one that a silent layer, a closed surrogate or a
    `detach()` stopped on its way; a gradient that is missing is of a weight that the loss was not computed with.

    ## Fix
    ```python any
    loss.backward()
    print({name: None if p.grad is None else p.grad.norm() for name, p in model.named_parameters()})
    # None: the graph is cut between this weight and the loss; 0: a layer behind it is silent or out of its surrogate
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
        if still[:1] != [site.name] or len(still) == len(updates):
            return
        gradient, update = readings.all[GradientReading], updates[site.name]
        unused = gradient.missing == gradient.updates and site.position == 0
        yield self.found(
            site,
            severity=Severity.NOTE if unused else Severity.WARNING,
            seen=Seen("no difference in {updates} steps, for {names}", updates=update.updates, names=", ".join(still)),
            expected=Expected("a step in every update", because="other weights of the model are moved"),
            first=site.name,
            more=others(still),
            why=reason(gradient, update),
        )


def reason(gradient: GradientReading, update: UpdateReading) -> str:
    """Why it stays where it is."""
    if update.learning_rate == 0:
        return "its rate is 0"
    if gradient.missing == gradient.updates:
        return "it gets no gradient"
    return "its gradient is 0" if gradient.zero + gradient.missing == gradient.updates else "its steps round to 0"
