"""A loss that has stopped half way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import LossReading
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class StalledLoss(Check):
    """The loss fell, and then stopped far above 0, with nothing wrong that can be seen from outside.

    ## What it means
    The last {losses} losses do not fall, beyond doubt, by {fall} in 64 updates; they average between {low} and {high}
    of ln C; and weights still move. This is a note, and no verdict. Labels of which some are wrong, an axis mixed up,
    bins that are too wide, a network that is too small and data that allow no better all look like this: spikes are
    healthy, gradients are, and the loss stays. Whoever only watches cannot tell which.

    ## Why it matters
    Half of the labels shifted by one have an entropy of ln 2 = 0.69 that no network gets below, and accuracy on true
    labels is 0.5 at best. The floor is the entropy of the label given the input, whatever it comes from.

    ## Fix
    ```python any
    x, y = next(iter(loader))
    for _ in range(500):  # one batch, again and again
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    # learned by heart: the network can; look at 20 samples and their labels by eye. Not learned: it is the network
    ```

    ## Intended when
    The data allow no better: `[tool.spikecheck.ignore] "SPK312" = "human listeners reach 60 %"`
    """

    id: ClassVar = "SPK312"
    slug: ClassVar = "stalled-loss"
    severity: ClassVar = Severity.NOTE
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.LOSS
    needs: ClassVar = (LossReading,)
    explained_by: ClassVar = (
        "SPK302",
        "SPK306",
        "SPK307",
        "SPK308",
        "SPK310",
        "SPK314",
        "SPK315",
        "SPK402",
        "SPK403",
        "SPK410",
        "SPK411",
        "SPK412",
        "SPK413",
    )
    message: ClassVar = "{site} has stopped at {mean:.4g}; a uniform guess over {classes} classes gives {chance:.4g}"

    losses: int = limit(64, why="derived: enough for the slope of losses that scatter by 0.08, as for a plateau")
    fall: float = limit(0.15, why="measured: the slowest healthy network falls by 0.51 in 64 updates")
    low: float = limit(0.2, why="taste: 0.6 for 20 classes; a loss below that has been learned")
    high: float = limit(0.9, why="taste: nearer to ln C it is a plateau at chance")
    doubt: float = limit(4.0, why="derived: Student's t with 62 degrees of freedom is larger once in 11,000")
    patience: int = limit(256, why="taste: four windows, since many losses rest for a while and go on")

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a note where the loss has stopped between chance and learned."""
        loss = readings.all[LossReading]
        mean, slope, error, classes = loss.recent_mean, loss.recent_slope, loss.recent_slope_error, loss.classes
        if mean is None or slope is None or error is None or classes is None or classes <= 1 or not loss.plain:
            return
        level = self.low <= mean / log(classes) <= self.high
        flat = (slope - self.doubt * error) * self.losses > -self.fall
        if not level or not flat or loss.window < self.losses or loss.updates < self.patience:
            return
        yield self.found(
            site,
            seen=Seen(
                "the last {window} losses average {mean:.4g} and change by {change:+.3f} +- {error:.3f}",
                window=loss.window,
                mean=mean,
                change=slope * self.losses,
                error=error * self.losses,
            ),
            expected=Expected(
                "a loss that goes on falling", because="labels, axes, time bins or size: an experiment can tell"
            ),
            when=Moment(readings.run.update),
            classes=classes,
            chance=log(classes),
        )
