"""A model that is trained in evaluation mode."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import ModeReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class EvaluationMode(Check):
    """The model is trained in evaluation mode.

    ## What it means
    In {updates} updates or more, and in a share of {share} of them, the model and all its modules that have a mode,
    normalisation by the batch and dropout, were in evaluation mode while it was trained. A model in training mode some
    of whose modules are frozen is left alone, and so is one without such modules.

    ## Why it matters
    A batch normalisation in evaluation mode normalises by running statistics, and those are never updated: at the
    start, they are 0 and 1, so that it does nothing, and weights that rely on it drive their layers far too weakly or
    too strongly. Dropout does nothing either. The usual reason is a validation that calls `model.eval()`, and a loop
    that calls `model.train()` once before it all.

    ## Fix
    ```python any
    model.train()  # at the start of each epoch, and after each validation
    ```

    ## Intended when
    A trained network is tuned with its statistics frozen as a whole: `[tool.spikecheck.ignore] "SPK214" = "fine-tuning
    with frozen statistics"`
    """

    id: ClassVar = "SPK214"
    slug: ClassVar = "evaluation-mode"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.MODULE
    needs: ClassVar = (ModeReading,)
    message: ClassVar = "{site} was in evaluation mode in {evaluating} of {updates} updates, the whole model with it"

    updates: int = limit(3, why="taste: one or two updates may be a test of the loop")
    share: float = limit(0.5, why="derived: the larger part of the training")

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield one finding, at the first module that has a mode, where all of them were in evaluation mode."""
        modes, mode = readings.every(ModeReading), readings[ModeReading]
        sites = [s for s in readings.evidence.sites if s.kind is SiteKind.MODULE and s.name in modes]
        if site.name != min(sites, key=lambda s: s.position).name or mode.updates < self.updates:
            return
        if any(other.evaluating < self.share * other.updates for other in modes.values()):
            return
        yield self.found(
            site,
            seen=Seen(
                "{evaluating} of {updates} updates in evaluation mode; {modules} modules behave otherwise in it",
                evaluating=mode.evaluating,
                updates=mode.updates,
                modules=len(modes),
            ),
            expected=Expected("training mode", because="running statistics stay as they are in evaluation mode"),
            weight=1,
        )
