"""Labels of which nearly all are of one class."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import exp
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import TargetReading
from spikecheck.site import Moment, Site, SiteKind


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
    # or a WeightedRandomSampler
    loss_fn = torch.nn.CrossEntropyLoss(weight=counts.sum() / (classes * counts))
    ```

    ## When it is intended
    The rare classes do not matter, or a background fills most of every image: `[tool.spikecheck.ignore] "SPK308" =
    "background"`

    ## How it is decided
    Of at least {min_labels} labels, {max_class_share} or more (as a share of all) are one class, and the loss has no
    class weights: a warning. Otherwise it is a note where the effective number of classes, exp(entropy of the labels),
    is less than {min_effective_class_share} times the number of classes. Where labels are drawn independently and the
    most frequent class has a share of up to 0.8, it reaches {max_class_share} of {min_labels} labels less often than
    once in 1,000 runs.

    The loss starts at ln C and falls to the entropy of the labels, 0.2 for 97% in one of 20 classes, without any use of
    the input. Compare the accuracies of the single classes to see it.
    """

    id: ClassVar = "SPK308"
    slug: ClassVar = "imbalanced-targets"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.TARGETS
    needs: ClassVar = (TargetReading,)
    explained_by: ClassVar = (
        "SPK306",
        "SPK314",
    )
    message: ClassVar = "{share:%} of {site} are class {label} (of {classes})"

    max_class_share: float = limit(
        0.9,
        why="derived: a constant guess is then right in 90%, which is what most good networks reach; measured: in a "
        "healthy data set with an imbalance of 10 to 1 among 20 classes, the share is 0.34",
    )
    min_effective_class_share: float = limit(
        0.5, why="judgment call: half of the classes' variety is missing, which is worth a note but no warning"
    )
    min_labels: int = limit(200, why="derived: a share of 0.9 is then known to within 0.02")

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where nearly all labels are one class; a note where the classes' shares differ much."""
        targets = readings.all[TargetReading]
        entropy, total = targets.entropy, sum(targets.class_counts)
        if entropy is None or targets.classes is None or total < self.min_labels or targets.has_class_weights:
            return
        share = max(targets.class_counts) / total
        effective_classes = exp(entropy) / targets.classes
        if share >= 1 or (share < self.max_class_share and effective_classes >= self.min_effective_class_share):
            return
        yield self.finding(
            site,
            severity=Severity.WARNING if share >= self.max_class_share else Severity.NOTE,
            observed=Observed(
                "of {total} labels, {share:%} are class {label}, without class weights; their entropy is {entropy:n}",
                total=total,
                share=share,
                label=targets.class_counts.index(max(targets.class_counts)),
                entropy=entropy,
            ),
            expected=Expected(
                "about {even_share:%} of the labels per class, or class weights in the loss",
                even_share=1 / targets.classes,
                because="otherwise a constant guess is nearly always right",
            ),
            when=Moment(0),
            classes=targets.classes,
        )
