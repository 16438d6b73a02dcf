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
    start = copy.deepcopy(model.state_dict())
    for seed in range(3):  # three trainings from the same weights
        torch.manual_seed(seed)
        for x, y in loader:
            model.load_state_dict(start)  # in the wrong loop: before each batch
            train_step(x, y)
    ```
    ```python repaired
    start = copy.deepcopy(model.state_dict())
    for seed in range(3):
        torch.manual_seed(seed)
        model.load_state_dict(start)  # before each training
        for x, y in loader:
            train_step(x, y)
    ```

    ## Fix
    ```python any
    before = [p.detach().clone() for p in model.parameters()]
    optimizer.step()
    # here the weights have moved
    print([(p - b).abs().max() for p, b in zip(model.parameters(), before)])
    # look for what sets them back before the next step(): load_state_dict, copy_, round, weight tying by copying
    ```

    ## When it is intended
    A weight is held fixed this way. `parameter.requires_grad_(False)` does it without computing a gradient.
    ```toml
    [tool.spikecheck.ignore]
    "SPK415:fc1.weight" = "fixed filters"
    ```

    ## How it is decided
    The first updates of each optimizer are compared one by one. At least {min_updates} of them must have changed the
    weight. After a share of {min_undone_fraction} of these or more, all values of the weight were back to those from
    before the update. A weight that is clipped, masked or normalized after each update still changes, so it is not
    reported.

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

    min_updates: int = limit(
        8, why="judgment call: a script may restore a checkpoint once or twice on purpose", minimum=1
    )
    min_undone_fraction: float = limit(
        0.85,
        why="derived: where weights are rounded to a grid after each update, the first of 10 compared updates lasts, "
        "since it moves them to the grid, and the other 9 are undone",
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
                "after {undone} of {updates} updates, {names} went back to the values from before the update",
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
