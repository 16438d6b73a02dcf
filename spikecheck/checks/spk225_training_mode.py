"""A model that is evaluated in training mode."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit, once_per_run
from spikecheck.checks.modes import first_with_mode
from spikecheck.evaluation_readings import ModeInEvaluationReading
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import EvaluationInputReading, InputReading, ModeReading
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class TrainingMode(Check):
    """The model is evaluated in training mode.

    ## What it means
    Forward passes without gradients ran in training mode. Batch normalization then uses the mean and variance of the
    batch that is evaluated, and takes them into its running statistics. Dropout is active. If each batch is a single
    sample, as in a stream, batch normalization removes what tells this sample from others, and the accuracy can be far
    below that in training.

    ## Example
    ```python broken
    lif1 = snn.Leaky(beta=0.9, init_hidden=True)
    model = nn.Sequential(nn.Conv2d(2, 12, 3), nn.BatchNorm2d(12), lif1)
    train(model)
    with torch.no_grad():
        accuracy = validate(model)  # the model is in training mode
    ```
    ```python repaired
    lif1 = snn.Leaky(beta=0.9, init_hidden=True)
    model = nn.Sequential(nn.Conv2d(2, 12, 3), nn.BatchNorm2d(12), lif1)
    train(model)
    model.eval()
    with torch.no_grad():
        accuracy = validate(model)
    model.train()
    ```

    ## Fix
    ```python any
    # before each evaluation; call model.train() after it
    model.eval()
    ```

    ## When it is intended
    Dropout is left on to see how much predictions vary, or running statistics are computed again with new weights.
    ```toml
    [tool.spikecheck.ignore]
    "SPK225" = "Monte Carlo dropout"
    ```

    ## How it is decided
    The model and all of its batch-normalization and dropout modules were in training mode in {min_share:%} or more of
    the forward passes without gradients, and there were at least {min_passes} of these. It is a warning if the model
    has batch normalization, each of those passes got one sample, and training got {min_batch} or more. Otherwise it is
    a note, because batches as large as those of training give nearly the same statistics.
    """

    id: ClassVar = "SPK225"
    slug: ClassVar = "training-mode"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.BATCH_NORM_OR_DROPOUT
    needs: ClassVar = (ModeReading, ModeInEvaluationReading)
    past: ClassVar = "the model was evaluated in training mode"
    message: ClassVar = "the model is evaluated in training mode, in {training} of {passes} forward passes"

    min_passes: int = limit(8, why="judgment call: fewer may be a look at the untrained network")
    min_share: float = limit(0.9, why="judgment call: a script that switches does so in most evaluations")
    min_batch: int = limit(4, why="judgment call: the statistics of 4 samples differ clearly from those of one")

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield one finding, at the first module that has a mode."""
        if site.name != first_with_mode(readings) or not readings.run.backward_passes:
            return
        modes, evaluated = readings.every(ModeReading), readings.every(ModeInEvaluationReading)
        mode = readings[ModeInEvaluationReading]
        if mode.forward_passes < self.min_passes:
            return
        if any(one.in_training_mode < self.min_share * one.forward_passes for one in evaluated.values()):
            return
        normalizes = any(one.momentum is not None for one in modes.values())
        batches = batch_sizes(readings)
        alone = normalizes and batches is not None and batches[0] >= self.min_batch and batches[1] == 1
        yield self.finding(
            site,
            severity=Severity.WARNING if alone else Severity.NOTE,
            observed=Observed(
                "{training} of {passes} forward passes without gradients in training mode"
                + (", with one sample each; {batch:n} samples per forward pass in training" if alone else ""),
                training=mode.in_training_mode,
                passes=mode.forward_passes,
                batch=batches[0] if batches is not None else 0,
            ),
            expected=Expected(
                "evaluation mode",
                because="in training mode, batch normalization uses the statistics of the batch, and dropout is on",
            ),
            when=Moment(readings.run.update),
            excess=1,
        )


@once_per_run
def batch_sizes(readings: Readings) -> tuple[float, float] | None:
    """Return the samples of a forward pass in training and in evaluation; None where either is not known."""
    name = next(iter(readings.every(InputReading)), None)
    training, evaluation = readings.at(name).get(InputReading), readings.at(name).get(EvaluationInputReading)
    if training is None or evaluation is None or not (training.samples and evaluation.samples):
        return None
    return training.samples / training.forward_passes, evaluation.samples / evaluation.forward_passes
