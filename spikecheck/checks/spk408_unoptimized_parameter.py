"""Weights that get gradients, and that no optimizer holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.progress import others, weights
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import GradientReading, UpdateReading
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class UnoptimizedParameter(Check):
    """A weight gets gradients, and no optimizer that has stepped holds it.

    ## What it means
    The weight asks for gradients and gets them, and none of the optimizers that stepped has it among its parameters.
    While training goes on this is said after {patience} updates, since another optimizer may step less often. Where
    `attach` was told of one optimizer, those of others are found here as well.

    ## Why it matters
    The weight stays as it was drawn. A network with random hidden layers and a trained last one learns all the same, to
    60 to 90 % of what it could, so that the loss shows nothing. An optimizer that was built before a layer was added or
    replaced, or from `model.head.parameters()`, does so; and `model.to(...)` or `load_state_dict(..., assign=True)`
    after it was built may replace what it holds.

    ## Fix
    ```python any
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)  # after the model is complete
    ```

    ## Intended when
    The weight is meant to stay: `parameter.requires_grad_(False)` says so, and saves its gradient.
    """

    id: ClassVar = "SPK408"
    slug: ClassVar = "unoptimized-parameter"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.GRADIENT
    needs: ClassVar = (GradientReading,)
    message: ClassVar = "no optimizer holds {first}{more}, which get gradients"

    patience: int = limit(16, why="taste: an optimizer that steps at each fifth update has then stepped three times")

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield one finding, at the first such weight."""
        held = readings.all.every(UpdateReading)
        read = readings.all.every(GradientReading)
        left = [name for name in weights(readings) if name not in held and read[name].norm > 0]
        early = readings.run.live and readings.run.update < self.patience
        if not held or early or left[:1] != [site.name]:
            return
        yield self.found(
            site,
            seen=Seen(
                "gradients of norm {norm:.3g} for {names}, and no step",
                norm=read[site.name].norm,
                names=", ".join(left),
            ),
            expected=Expected(
                "every weight that asks for gradients in an optimizer", because="it never moves otherwise"
            ),
            when=Moment(0),
            first=site.name,
            more=others(left),
        )
