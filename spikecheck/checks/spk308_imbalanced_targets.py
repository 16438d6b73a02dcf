"""Labels of which nearly all are of one class, and binary targets of which nearly all are alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import exp, isclose
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.fixes import plain_number
from spikecheck.checks.learning import LOGISTIC, learning_of, learns_little, losses_without_learning
from spikecheck.finding import Expected, Finding, Fix, Observed, Severity
from spikecheck.readings import LogitReading, LossReading, RegressionTargetReading, TargetReading
from spikecheck.site import Moment, Site, SiteKind

IN_LOGITS = "binary_cross_entropy_with_logits"
UNDECIDED = 0.5  # a probability
BINARY = 1e-3  # relative tolerance: the variance of zeros and ones is p (1 - p), but for rounding
POSITIVE_WEIGHT = """\
# there are {zeros} targets of 0 for each target of 1
loss_fn = torch.nn.BCEWithLogitsLoss(pos_weight=torch.tensor({zeros}))
loss = loss_fn(output, target)"""
TARGET_WEIGHT = """\
# there are {zeros} targets of 0 for each target of 1
weight = torch.ones_like(target).masked_fill(target == 1, {zeros})
loss = torch.nn.functional.binary_cross_entropy(output, target, weight=weight)"""


@dataclass(frozen=True)
class ImbalancedTargets(Check):
    """One class has nearly all of the labels, and the loss has no class weights to make up for it.

    ## What it means
    A network that always predicts the most frequent class is nearly always right here, without looking at its input.
    Loss and accuracy then look as if it had learned, while it never predicts the other classes.

    ## Example
    ```python broken
    loss_fn = torch.nn.CrossEntropyLoss()  # y: 95% background, 5% gestures
    loss = loss_fn(model(x), y)
    ```
    ```python repaired
    counts = y_train.bincount(minlength=20).clamp(min=1)
    loss_fn = torch.nn.CrossEntropyLoss(weight=counts.sum() / (20 * counts))
    loss = loss_fn(model(x), y)
    ```

    ## Fix
    ```python any
    counts = torch.as_tensor([int(y) for _, y in dataset]).bincount(minlength=classes).clamp(min=1)
    loss_fn = torch.nn.CrossEntropyLoss(weight=counts.sum() / (classes * counts))
    # or draw the rare classes more often: torch.utils.data.WeightedRandomSampler
    ```

    ## When it is intended
    The rare classes do not matter, or background fills most of every image.
    ```toml
    [tool.spikecheck.ignore]
    "SPK308" = "background"
    ```

    ## How it is decided
    A warning needs all of these:

    - one class has a share of {max_class_share} or more of at least {min_labels} labels;
    - the loss has no class weights;
    - after {min_updates} updates ({min_updates_in_training} while training runs), all other classes together are
      predicted at most {max_rare_prediction_ratio} times as often as they occur, so at least half of their samples are
      wrong; or most predictions are the most frequent class, and 64 losses or more show that nothing is learned.

    Where the other classes are predicted as often as they occur, as in a segmentation that is mostly background, class
    weights would only do harm, and there is no finding.

    Where no class reaches that share, a note needs the last two conditions, and an effective number of classes,
    exp(entropy of the labels), below {min_effective_class_share} times the number of classes that occur.

    Of the targets of a binary cross-entropy without weights, a warning needs a share of ones of at most
    {max_share_of_ones:%}, outputs of the latest update that all say 0, and 64 losses or more that show that little is
    learned. One-hot targets are not judged: the number of outputs makes the ones rare.

    Without learning anything from the input, a network lowers the loss from ln C to the entropy of the labels: 0.2 if
    97% of them are one of 20 classes. The accuracy per class shows this.
    """

    id: ClassVar = "SPK308"
    slug: ClassVar = "imbalanced-targets"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.TARGETS | SiteKind.REGRESSION_TARGET
    needs: ClassVar = (LossReading,)
    explained_by: ClassVar = (
        "SPK203",
        "SPK204",
        "SPK205",
        "SPK305",
        "SPK306",
        "SPK310",
        "SPK314",
        "SPK315",
        "SPK401",
        "SPK405",
        "SPK407",
        "SPK409",
        "SPK410",
        "SPK413",
    )
    message: ClassVar = "{share:%} of {site} are {label}"

    max_class_share: float = limit(
        0.8,
        why="derived: a constant guess is then right for 80% of samples; measured: with 89% of the labels in one "
        "class, class weights raised the mean accuracy per class from 0.57 to 0.98; in a segmentation with 91% "
        "background, they lowered it from 0.94 to 0.82",
    )
    max_rare_prediction_ratio: float = limit(
        0.5,
        why="derived: at least half of the samples of these classes are then wrong; measured: 0.19 where class weights "
        "helped, 1.4 where they did harm",
    )
    min_updates: int = limit(
        64, why="measured: healthy networks predict a single class for up to 32 updates at the start"
    )
    min_updates_in_training: int = limit(
        256,
        why="judgment call: rare classes are learned last; four times as long shows whether they are",
    )
    min_effective_class_share: float = limit(
        0.5,
        why="judgment call: the labels are then as uneven as if half of the classes were missing: a note, no warning",
    )
    min_labels: int = limit(200, why="derived: a share of 0.8 is then known to within 0.03")
    max_share_of_ones: float = limit(
        0.05,
        why="judgment call: a tenth of the outputs is learned without weights; measured: 0.007 is not",
        maximum=0.5,
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where nearly all labels are one class; a note where the classes' shares differ much."""
        if site.kind is SiteKind.REGRESSION_TARGET:
            yield from self.binary(site, readings)
            return
        targets = readings.all.get(TargetReading)
        if targets is None:
            return
        entropy, total = targets.entropy, sum(targets.class_counts)
        if entropy is None or targets.classes is None or total < self.min_labels or targets.has_class_weights:
            return
        share, occurring = max(targets.class_counts) / total, sum(n > 0 for n in targets.class_counts)
        ratio = rare_prediction_ratio(readings)
        needed = self.min_updates_in_training if readings.run.live else self.min_updates
        if share >= 1 or readings.run.update < needed or ratio is None:
            return
        is_stuck = predicts_majority(readings) and losses_without_learning(readings) is not None
        if ratio > self.max_rare_prediction_ratio and not is_stuck:
            return
        effect = "nothing is learned beyond that: the loss is {loss:n}, that of a guess {guess:n}"
        if ratio <= self.max_rare_prediction_ratio:
            effect = "the other classes are predicted {ratio:x} as often as they occur"
        learning = learning_of(readings)
        if share < self.max_class_share and exp(entropy) >= self.min_effective_class_share * occurring:
            return
        yield self.finding(
            site,
            severity=Severity.WARNING if share >= self.max_class_share else Severity.NOTE,
            observed=Observed(
                "of {total} labels, {share:%} are class {label}, without class weights; " + effect,
                ratio=ratio,
                loss=None if learning is None else learning.level,
                guess=None if learning is None else learning.guess,
                total=total,
                share=share,
                label=targets.class_counts.index(max(targets.class_counts)),
            ),
            expected=Expected(
                "about {even_share:%} of the labels per class, or class weights in the loss",
                even_share=1 / targets.classes,
                because="otherwise a constant guess is nearly always right",
            ),
            when=Moment(0),
            label=f"class {targets.class_counts.index(max(targets.class_counts))} (of {targets.classes})",
        )

    def binary(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where ones are rare among the targets, and no output says that there is one."""
        targets = readings.all.get(RegressionTargetReading)
        loss, learning = readings.all[LossReading], learning_of(readings)
        if targets is None or learning is None or learning.guess is None:
            return
        ones = share_of_ones(targets)
        needed = self.min_updates_in_training if readings.run.live else self.min_updates
        if ones is None or loss.function not in LOGISTIC or targets.elements < self.min_labels:
            return
        if ones > self.max_share_of_ones or readings.run.update < needed or not learns_little(readings):
            return
        in_logits = loss.function == IN_LOGITS
        undecided, weighted = (0.0, POSITIVE_WEIGHT) if in_logits else (UNDECIDED, TARGET_WEIGHT)
        highest = targets.latest_output_maximum
        if highest is None or highest >= undecided:
            return
        yield self.finding(
            site,
            observed=Observed(
                "{share:%} of {total} targets are 0; the highest output of the latest update is {highest:n}, and a 1 "
                "needs more than {undecided:n}; the loss is {level:n}, that of a guess {guess:n}",
                total=targets.elements,
                share=1 - ones,
                highest=highest,
                undecided=undecided,
                level=learning.level,
                guess=learning.guess,
            ),
            expected=Expected(
                "a weight for the targets of 1", because="otherwise a constant guess is nearly always right"
            ),
            when=Moment(0),
            label="0, and no output says 1",
            fixes=(Fix(weighted.format(zeros=plain_number((1 - ones) / ones))),),
        )


def share_of_ones(targets: RegressionTargetReading) -> float | None:
    """Return the share of ones among targets of 0 and 1; None of other targets, and of one-hot ones."""
    mean, variance = targets.target_mean, targets.target_variance
    if (targets.target_minimum, targets.target_maximum) != (0, 1) or mean is None or variance is None:
        return None
    one_hot = isclose(mean * max(1, targets.outputs), 1, rel_tol=BINARY)
    return mean if isclose(variance, mean * (1 - mean), rel_tol=BINARY) and not one_hot else None


def rare_prediction_ratio(readings: Readings) -> float | None:
    """Return how often the classes other than the most frequent one are predicted, over how often they occur.

    Both in the recent updates, at most the mean recall of these classes. None where it is not known.
    """
    logits, targets = readings.get(LogitReading), readings.get(TargetReading)
    if logits is None or targets is None or not logits.decided_rows or logits.top_class_rows is None:
        return None
    rare = 1 - max(targets.class_counts, default=0) / max(1, sum(targets.class_counts))
    if rare <= 0:
        return None
    if not predicts_majority(readings):
        return 1.0
    return (1 - logits.top_class_rows / logits.decided_rows) / rare


def predicts_majority(readings: Readings) -> bool:
    """Return whether the class that is predicted most often is the most frequent label."""
    logits, targets = readings.get(LogitReading), readings.get(TargetReading)
    if logits is None or targets is None or not targets.class_counts:
        return False
    return logits.top_class == targets.class_counts.index(max(targets.class_counts))
