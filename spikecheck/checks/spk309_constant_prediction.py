"""One class predicted for nearly every sample."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import LogitReading, TargetReading
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class ConstantPrediction(Check):
    """Nearly every sample is predicted to be of one class, while the labels vary.

    ## What it means
    In the recent updates a share of {most} or more of the rows had their largest logit in the same class, while no
    class had more than {varied} of the labels. This is asked after {patience} updates; before, it is ordinary. Rows
    whose logits are all equal are not counted.

    Where the predictions are independent and the favourite class has a share of up to 0.8, this is found less often
    than once in 1000 runs: {enough} rows are judged, or more.

    ## Why it matters
    The logits do not depend on the input, but for a small part: what decides is the last bias, or a neuron that always
    fires. Nothing of the input reaches the loss, or one output drowns the others.

    ## Fix
    ```python any
    print(logits.std(0))  # near 0: the input does not reach the logits; look layer by layer, from the input on
    ```

    ## Intended when
    The loss looks at something other than the largest logit: `[tool.spikecheck.ignore] "SPK309" = "ranking"`
    """

    id: ClassVar = "SPK309"
    slug: ClassVar = "constant-prediction"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.LOGITS
    needs: ClassVar = (
        LogitReading,
        TargetReading,
    )
    explained_by: ClassVar = (
        "SPK101",
        "SPK201",
        "SPK203",
        "SPK204",
        "SPK205",
        "SPK206",
        "SPK208",
        "SPK305",
        "SPK306",
        "SPK307",
        "SPK308",
        "SPK310",
        "SPK314",
        "SPK315",
        "SPK401",
        "SPK405",
        "SPK406",
        "SPK407",
        "SPK409",
        "SPK410",
        "SPK411",
        "SPK412",
        "SPK413",
    )
    message: ClassVar = "{share:.0%} of the rows of {site} say class {label}, of {classes} classes"

    most: float = limit(
        0.95, why="measured: a healthy network with 20 classes said one for 0.56 of a batch at most, after update 64"
    )
    varied: float = limit(0.5, why="derived: with half of the labels in one class, saying it is half right")
    patience: int = limit(64, why="measured: healthy networks say one class alone for up to 32 updates at the start")
    enough: int = limit(128, why="derived: a share of 0.95 is then known to 0.02")

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where the prediction hardly depends on the input."""
        logits, targets = readings[LogitReading], readings[TargetReading]
        if logits.favoured is None or logits.decided < self.enough or logits.decided < logits.rows - logits.decided:
            return
        share, total = logits.favoured / logits.decided, sum(targets.counts)
        common = max(targets.counts, default=0) / max(1, total)
        if share < self.most or total == 0 or common > self.varied or readings.run.update < self.patience:
            return
        yield self.found(
            site,
            seen=Seen(
                "{share:.1%} of {decided} rows have their largest logit in class {label}",
                share=share,
                decided=logits.decided,
                label=logits.favourite,
            ),
            expected=Expected(
                "at most {common:.0%}, as the labels are", common=common, because="the labels of these rows vary"
            ),
            when=Moment(readings.run.update),
            classes=logits.classes,
        )
