"""A model that is trained in evaluation mode."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.modes import first_with_mode
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
    # at the start of each epoch, and after each validation within an epoch
    model.train()
    ```

    ## When it is intended
    A trained network is fine-tuned with frozen batch-normalization statistics.
    ```toml
    [tool.spikecheck.ignore]
    "SPK214" = "fine-tuning with frozen statistics"
    ```

    ## How it is decided
    spikecheck warns if there were at least {min_updates} updates and, in at least {max_evaluation_fraction:%} of them,
    the model and all of its batch-normalization and dropout modules were in evaluation mode. It does not warn if only
    some of these modules are frozen, or if the model has none.

    The usual cause is a validation function that calls `model.eval()`, with a single `model.train()` before the loop
    over epochs.
    """

    id: ClassVar = "SPK214"
    slug: ClassVar = "evaluation-mode"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.BATCH_NORM_OR_DROPOUT
    needs: ClassVar = (ModeReading,)
    past: ClassVar = "model.eval() was active in training"
    message: ClassVar = "model.eval() was active in {evaluating} of {updates} training updates"

    min_updates: int = limit(3, why="judgment call: one or two updates may be a test of the training loop")
    max_evaluation_fraction: float = limit(0.5, why="judgment call: half of the training")

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield one finding, at the first module that has a mode, where all of them were in evaluation mode."""
        modes, mode = readings.every(ModeReading), readings[ModeReading]
        if site.name != first_with_mode(readings) or mode.updates < self.min_updates:
            return
        if any(other.evaluation_updates < self.max_evaluation_fraction * other.updates for other in modes.values()):
            return
        frozen = [other.evaluation_updates == other.updates and other.trained_before for other in modes.values()]
        yield self.finding(
            site,
            severity=Severity.NOTE if all(frozen) else Severity.WARNING,
            observed=Observed(
                "{evaluating} of {updates} updates in evaluation mode; batch-norm and dropout modules: {modules}",
                evaluating=mode.evaluation_updates,
                updates=mode.updates,
                modules=len(modes),
            ),
            expected=Expected(
                "training mode", because="in evaluation mode, running statistics are not updated and dropout is off"
            ),
            excess=1,
        )
