"""A model that is trained in evaluation mode."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import ModeReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class EvaluationMode(Check):
    """The model is trained in evaluation mode.

    ## What it means
    `model.eval()` was active during training updates. Batch normalization then uses running statistics that are never
    updated, and dropout does nothing.

    ## Example
    ```python broken
    lif1 = snn.Leaky(beta=0.9, init_hidden=True)
    model = nn.Sequential(nn.Linear(700, 128), nn.BatchNorm1d(128), lif1)
    model.train()
    for epoch in range(20):
        train_one_epoch(model)
        model.eval()  # stays active in all later epochs
        validate(model)
    ```
    ```python repaired
    lif1 = snn.Leaky(beta=0.9, init_hidden=True)
    model = nn.Sequential(nn.Linear(700, 128), nn.BatchNorm1d(128), lif1)
    for epoch in range(20):
        model.train()  # in every epoch
        train_one_epoch(model)
        model.eval()
        validate(model)
    ```

    ## Fix
    ```python any
    # at the start of each epoch, and after each validation
    model.train()
    ```

    ## When it is intended
    A trained network is fine-tuned with all of its statistics frozen.
    ```toml
    [tool.spikecheck.ignore]
    "SPK214" = "fine-tuning with frozen statistics"
    ```

    ## How it is decided
    It is a warning where, in at least a fraction of {max_evaluation_fraction} of {min_updates} updates or more, the
    model and all of its modules that have a mode (batch normalization and dropout) were in evaluation mode while it was
    trained. A model in training mode with some frozen modules is left alone, and so is one without such modules.

    At the start, the running statistics are 0 and 1, so a batch normalization in evaluation mode does nothing, and
    weights that rely on it drive their layers far too weakly or too strongly. The usual cause is a validation that
    calls `model.eval()`, with a single `model.train()` before the whole loop.
    """

    id: ClassVar = "SPK214"
    slug: ClassVar = "evaluation-mode"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.MODULE
    needs: ClassVar = (ModeReading,)
    past: ClassVar = "model.eval() was active in training"
    message: ClassVar = "model.eval() was active in {evaluating} of {updates} training updates"

    min_updates: int = limit(3, why="judgment call: one or two updates may be a test of the loop")
    max_evaluation_fraction: float = limit(0.5, why="derived: the larger part of the training")

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield one finding, at the first module that has a mode, where all of them were in evaluation mode."""
        modes, mode = readings.every(ModeReading), readings[ModeReading]
        sites = [s for s in readings.observations.sites if s.kind is SiteKind.MODULE and s.name in modes]
        if site.name != min(sites, key=lambda s: s.position).name or mode.updates < self.min_updates:
            return
        if any(other.evaluation_updates < self.max_evaluation_fraction * other.updates for other in modes.values()):
            return
        yield self.finding(
            site,
            observed=Observed(
                "{evaluating} of {updates} updates in evaluation mode; batch-norm and dropout modules: {modules}",
                evaluating=mode.evaluation_updates,
                updates=mode.updates,
                modules=len(modes),
            ),
            expected=Expected(
                "training mode", because="in evaluation mode, running statistics do not change and dropout is off"
            ),
            excess=1,
        )
