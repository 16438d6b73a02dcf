"""Labels of which nearly all are of one class."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import exp
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import TargetReading
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class ImbalancedTargets(Check):
    """One class has nearly all of the labels, and the loss does not make up for it.

    ## What it means
    Of {enough} labels or more, a share of {most} or more were one class, and the loss has no class weights. A note says
    where less than {few} of the classes would make up the same variety, exp(entropy) / C.

    Where the labels are drawn independently and the commonest class has a share of up to 0.8, it has {most} of {enough}
    or more less often than once in 1000 runs.

    ## Why it matters
    Saying that class always is right as often as it comes. The loss starts at ln C and falls to the entropy of the
    labels, 0.2 for 97 % among 20 classes, without a look at the input: it looks learned, and the accuracy too, while
    each of the other classes is never said. Compare with the accuracy class by class.

    ## Fix
    ```python any
    counts = torch.stack([y for _, y in dataset]).bincount(minlength=classes).clamp(min=1)
    loss_fn = torch.nn.CrossEntropyLoss(weight=counts.sum() / (classes * counts))  # or a WeightedRandomSampler
    ```

    ## Intended when
    The rare classes do not matter, or a background fills most of every image: `[tool.spikecheck.ignore] "SPK308" =
    "background"`
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
    message: ClassVar = "{share:.0%} of {site} are class {label}, of {classes} classes"

    most: float = limit(
        0.9,
        why="derived: a constant guess is then right for 90 %, which is what most good networks reach; measured: a "
        "healthy set with 10 to 1 among 20 classes has 0.34 in one",
    )
    few: float = limit(0.5, why="taste: half of the classes' variety is missing, which is worth a line and no alarm")
    enough: int = limit(200, why="derived: a share of 0.9 is then known to 0.02")

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where one class is nearly all there is; a note where the classes differ much."""
        targets = readings.all[TargetReading]
        entropy, total = targets.entropy, sum(targets.counts)
        if entropy is None or targets.classes is None or total < self.enough or targets.weighted:
            return
        share = max(targets.counts) / total
        varied = exp(entropy) / targets.classes
        if share >= 1 or (share < self.most and varied >= self.few):
            return
        yield self.found(
            site,
            severity=Severity.WARNING if share >= self.most else Severity.NOTE,
            seen=Seen(
                "of {total} labels {share:.1%} are class {label}, without class weights; the entropy is {entropy:.3g}",
                total=total,
                share=share,
                label=targets.counts.index(max(targets.counts)),
                entropy=entropy,
            ),
            expected=Expected(
                "about {chance:.1%} of each class, or class weights",
                chance=1 / targets.classes,
                because="a constant guess is otherwise nearly always right",
            ),
            when=Moment(0),
            classes=targets.classes,
        )
