"""Updates that something takes back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.progress import and_more, weight_names
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.site import Moment, Site, SiteKind
from spikecheck.update_readings import UndoneUpdateReading


@dataclass(frozen=True)
class UndoneUpdates(Check):
    """The optimizer changes a weight, and something puts it back before the next update.

    ## What it means
    Gradients arrive and the optimizer steps, but before the next update the weight is again what it was. Nothing that
    the weight learns lasts longer than one update.

    ## Example
    ```python broken
    best = copy.deepcopy(model.state_dict())
    for x, y in loader:
        train_step(x, y)
        model.load_state_dict(best)  # meant for the end of the training
    ```
    ```python repaired
    best = copy.deepcopy(model.state_dict())
    for x, y in loader:
        train_step(x, y)
    model.load_state_dict(best)
    ```

    ## Fix
    ```python any
    before = [p.detach().clone() for p in model.parameters()]
    optimizer.step()
    # here the weights have moved
    print([(p - b).abs().max() for p, b in zip(model.parameters(), before)])
    # what follows until the next optimizer.step() puts them back: load_state_dict, copy_, round, an in-place "tie"
    ```

    ## When it is intended
    A weight is held fixed this way; `parameter.requires_grad_(False)` does it without computing its gradient.
    ```toml
    [tool.spikecheck.ignore]
    "SPK415:fc1.weight" = "fixed filters"
    ```

    ## How it is decided
    The first updates of each optimizer are compared one by one. In at least {min_updates} of those that changed the
    weight, and in {min_undone_fraction} of them or more, every value of the weight was the same before the next update
    as before this one. A weight that is clipped, masked or normalized after each update still differs.

    Usual causes are a checkpoint that is restored in the loop, rounding to a grid that is coarser than an update (keep
    an unrounded copy for the optimizer), and a weight that is overwritten with a fixed one.
    """

    id: ClassVar = "SPK415"
    slug: ClassVar = "undone-updates"
    severity: ClassVar = Severity.ERROR
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.UNDONE_UPDATE
    needs: ClassVar = (UndoneUpdateReading,)
    explains: ClassVar = ("SPK302", "SPK309", "SPK312", "SPK313")
    message: ClassVar = "{first}{more} {verb} put back after {undone} of {updates} updates"

    min_updates: int = limit(8, why="judgment call: once or twice a checkpoint may be restored on purpose", minimum=1)
    min_undone_fraction: float = limit(
        0.85, why="derived: rounding to a grid lasts after the first of 10 compared updates, and undoes the others"
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield one finding, at the first such weight."""
        outcomes, weights = readings.all.every(UndoneUpdateReading), weight_names(readings)
        undone = [name for name in weights if name in outcomes and self.is_undone(outcomes[name])]
        if undone[:1] != [site.name]:
            return
        everything = set(undone) == set(weights)
        yield self.finding(
            site,
            severity=Severity.ERROR if everything else Severity.WARNING,
            observed=Observed(
                "after {undone} of {updates} updates, {names} had the values from before the update again",
                undone=outcomes[site.name].undone_updates,
                updates=outcomes[site.name].updates,
                names=", ".join(undone),
            ),
            expected=Expected("weights that keep what an update adds", because="otherwise nothing is learned"),
            when=Moment(1),
            first=site.name,
            more=and_more(undone),
            verb="is" if len(undone) == 1 else "are",
        )

    def is_undone(self, outcome: UndoneUpdateReading) -> bool:
        """Return whether a weight lost almost every update."""
        return (
            outcome.updates >= self.min_updates and outcome.undone_updates >= self.min_undone_fraction * outcome.updates
        )
