"""Evaluation gets input of another scale than training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import EvaluationInputReading, InputReading
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class UnlikeEvaluationInput(Check):
    """The input in evaluation is of another scale than in training.

    ## What it means
    Training and evaluation prepare their data in different ways: one of them divides by 255, normalizes, or bins
    events, and the other does not. The network is evaluated with currents that it has never received in training.

    ## Example
    ```python broken
    train_x = train_images / 255
    test_x = test_images
    ```
    ```python repaired
    train_x = train_images / 255
    test_x = test_images / 255
    ```

    ## Fix
    ```python any
    # prepare both in one place
    def prepare(images):
        return images.float() / 255


    train_x, test_x = prepare(train_images), prepare(test_images)
    ```

    ## When it is intended
    The evaluation tests how the network does with weaker or stronger input.
    ```toml
    [tool.spikecheck.ignore]
    "SPK112" = "test of robustness"
    ```

    ## How it is decided
    spikecheck compares the input of passes without gradients with that of the training: the mean, where no value is
    below 0, and the largest magnitude. One of the two must differ by a factor of {min_ratio} or more, and in the same
    direction both in the first forward passes and over the whole run. So an evaluation that begins with the test data
    and goes on with altered ones is not reported. It needs {min_samples} samples of evaluation that are not all 0:
    tools that count operations pass zeros. Tensors with another number of axes, or features of another size, are not
    compared, and neither are ids (`int32` or `int64` without channels).
    """

    id: ClassVar = "SPK112"
    slug: ClassVar = "unlike-evaluation-input"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.INPUT
    needs: ClassVar = (InputReading,)
    past: ClassVar = "{site} was of another scale in evaluation than in training"
    message: ClassVar = "{site} in evaluation has {ratio:x} the {quantity} of that in training"

    min_ratio: float = limit(
        5.0,
        why="measured: at most 1.06 where training and evaluation draw from the same data; judgment call: training "
        "that hides three quarters of its input has a quarter of the mean",
        minimum=1,
    )
    min_samples: int = limit(32, why="judgment call: the mean of a few samples differs by chance")

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where the mean or the largest magnitude of the input is of another scale."""
        windows = (readings.first, readings.all)
        pairs = [(one.get(InputReading), one.get(EvaluationInputReading)) for one in windows]
        training, evaluation = pairs[-1]
        if not readings.run.backward_passes or training is None or evaluation is None or training.holds_ids:
            return
        if max(evaluation.samples, evaluation.forward_passes) < self.min_samples or not are_alike(training, evaluation):
            return
        for quantity, size in (("mean", mean_of), ("largest magnitude", magnitude_of)):
            ratios = [0.0 if x is None or other is None else ratio(size(x), size(other)) for x, other in pairs]
            if not all(ratios) or not (min(ratios) >= self.min_ratio or max(ratios) * self.min_ratio <= 1):
                continue
            yield self.finding(
                site,
                observed=Observed(
                    "{quantity} {evaluation:n} in {passes} passes without gradients, {training:n} in training",
                    quantity=quantity,
                    evaluation=size(evaluation),
                    training=size(training),
                    passes=evaluation.forward_passes,
                ),
                expected=Expected(
                    "input of about the same scale", because="the weights fit the currents that they were trained with"
                ),
                when=Moment(readings.run.update),
                ratio=ratios[-1],
                excess=abs(log(ratios[-1] / self.min_ratio)),
            )
            return


def are_alike(training: InputReading, evaluation: InputReading) -> bool:
    """Return whether both have as many axes, and features of one size: else they are tensors of two kinds."""
    return len(training.shape) == len(evaluation.shape) and training.shape[-1:] == evaluation.shape[-1:]


def ratio(training: float | None, evaluation: float | None) -> float:
    """Return how large the input is in evaluation, compared with training; 0 where that is not known."""
    return evaluation / training if training and evaluation else 0.0


def mean_of(x: InputReading) -> float | None:
    """Return the mean, where no value is below 0: that of others depends on what cancels."""
    return x.count / x.sampled_elements if x.sampled_elements and x.minimum >= 0 else None


def magnitude_of(x: InputReading) -> float | None:
    """Return the largest magnitude."""
    return None if x.non_finite.count else max(abs(x.minimum), abs(x.maximum))
