"""One class predicted for nearly every sample."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import LogitReading, TargetReading
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class ConstantPrediction(Check):
    """Nearly every sample is predicted to be the same class, while the labels vary.

    ## What it means
    The largest logit is almost always that of one class, so the logits hardly depend on the input. Either nothing about
    the input reaches the output, so that the bias of the last layer decides, or one output neuron always fires and
    exceeds all others.

    ## Example
    ```python broken
    fc, lif = torch.nn.Linear(256, 20), snntorch.Leaky(beta=0.9)
    torch.nn.init.normal_(fc.bias, std=10.0)  # the largest bias decides, whatever the input
    spikes, membrane = lif(fc(hidden_spikes), lif.init_leaky())
    loss = torch.nn.functional.cross_entropy(membrane, y)
    ```
    ```python repaired
    fc, lif = torch.nn.Linear(256, 20), snntorch.Leaky(beta=0.9)
    torch.nn.init.zeros_(fc.bias)
    spikes, membrane = lif(fc(hidden_spikes), lif.init_leaky())
    loss = torch.nn.functional.cross_entropy(membrane, y)
    ```

    ## Fix
    ```python any
    # how far the logits of one class differ between samples, and how far the classes differ on average
    print(logits.std(0).mean(), logits.mean(0).std())
    # if the first is about 0, the input does not reach the logits: check firing rates layer by layer, from the input on
    # if it is only much smaller than the second, a bias or one neuron decides: set the bias of the last layer to 0
    ```

    ## When it is intended
    The class of the largest logit is not the network's answer, as in a ranking.
    ```toml
    [tool.spikecheck.ignore]
    "SPK309" = "ranking"
    ```

    ## How it is decided
    In the recent updates, a share of {max_prediction_share} or more of the predictions are one class, while no class
    has a share of more than {max_label_share} of the labels. A finding needs {min_predictions} predictions. It also
    needs {min_updates} updates, since a constant prediction is common in the first ones. Samples whose logits are all
    equal do not count; if most samples are like that, there is no finding.

    Where predictions are independent and no class is predicted for more than 80% of samples, there is a finding in less
    than one of 1,000 runs.
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
    past: ClassVar = "nearly all predictions were one class"
    message: ClassVar = "{share:%} of predictions are class {label} (of {classes})"

    max_prediction_share: float = limit(
        0.95,
        why="measured: a healthy network with 20 classes predicted one class for at most 0.56 of a batch after update "
        "64",
    )
    max_label_share: float = limit(
        0.5, why="derived: with half of the labels in one class, always predicting it is right half of the time"
    )
    min_updates: int = limit(
        64, why="measured: healthy networks predict a single class for up to 32 updates at the start"
    )
    min_predictions: int = limit(128, why="derived: a share of 0.95 is then known to within 0.02")

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where the prediction hardly depends on the input."""
        logits, targets = readings[LogitReading], readings[TargetReading]
        tied = logits.rows - logits.decided_rows
        if logits.top_class_rows is None or logits.decided_rows < self.min_predictions or logits.decided_rows < tied:
            return
        share, labels = logits.top_class_rows / logits.decided_rows, sum(targets.class_counts)
        label_share = max(targets.class_counts, default=0) / max(1, labels)
        too_early = readings.run.update < self.min_updates
        if share < self.max_prediction_share or labels == 0 or label_share > self.max_label_share or too_early:
            return
        yield self.finding(
            site,
            observed=Observed(
                "{share:%} of {predictions} samples have their largest logit at class {label}",
                share=share,
                predictions=logits.decided_rows,
                label=logits.top_class,
            ),
            expected=Expected(
                "about {label_share:%}, the share of the most frequent label",
                label_share=label_share,
                because="the labels of these samples vary",
            ),
            when=Moment(readings.run.update),
            classes=logits.classes,
        )
