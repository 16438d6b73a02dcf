"""A loss that has stopped falling half way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.loss_trend import (
    LOSS_WINDOW,
    MIN_FALL,
    T_SCORE,
    WHY_LOSS_WINDOW,
    WHY_MIN_FALL,
    WHY_T_SCORE,
    LossTrend,
)
from spikecheck.finding import Expected, Finding, Severity
from spikecheck.readings import LossReading
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class StalledLoss(Check):
    """The loss fell, and then stopped far above 0, while nothing is visibly wrong.

    ## What it means
    The loss stays between chance level and a loss that counts as learned. Many causes look like this: wrong labels,
    mixed-up axes, time bins that are too wide, a network that is too small, logits that can only lie between 0 and 1
    (firing rates or probabilities), or data that no network could predict better. Only an experiment can tell them
    apart.

    ## Example
    ```python broken
    labels = torch.cat([labels_a, labels_b])  # labels_a counts from 0, labels_b from 1
    dataset = torch.utils.data.TensorDataset(torch.cat([x_a, x_b]), labels)
    ```
    ```python repaired
    labels = torch.cat([labels_a, labels_b - 1])
    dataset = torch.utils.data.TensorDataset(torch.cat([x_a, x_b]), labels)
    ```

    ## Fix
    ```python any
    x, y = next(iter(loader))
    # overfit a single batch
    for _ in range(500):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    # if the loss reaches 0, the network can learn: look at 20 samples and their labels
    # if it does not, look at the range of the logits first: firing rates need a factor, such as 10 * spikes.mean(0)
    # if the range is larger than 0 to 1, the network itself is at fault
    ```

    ## When it is intended
    No network could predict these data better.
    ```toml
    [tool.spikecheck.ignore]
    "SPK312" = "human listeners reach 60%"
    ```

    ## How it is decided
    The mean of the last 64 losses is between {min_fraction_of_chance} and {max_fraction_of_chance} of ln C, the loss of
    a uniform guess. And they do not fall: even the steepest line that fits them, {t_score} standard errors steeper than
    the best one, falls by less than {min_fall} in {loss_window} updates. A finding needs {min_losses} losses. It is
    only a note, since the loss alone does not show the cause.

    Logits from 0 to 1 have a floor: with 20 classes, the loss cannot fall below ln(1 + 19 / e) = 2.08, which is 0.69 of
    ln C. Wrong labels have one, too. If half of the labels are shifted by one and the input does not show which half,
    each input has two equally likely labels, and the loss on new data cannot fall below ln 2 = 0.69.
    """

    id: ClassVar = "SPK312"
    slug: ClassVar = "stalled-loss"
    severity: ClassVar = Severity.NOTE
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.LOSS
    needs: ClassVar = (LossReading,)
    explained_by: ClassVar = (
        "SPK302",
        "SPK305",
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
    ascending: ClassVar = (("loss_window", "min_losses"),)
    past: ClassVar = "{site} had stopped falling"
    message: ClassVar = "{site} has stopped at {mean:#n}; a uniform guess over {classes} classes gives {chance:#n}"

    loss_window: int = limit(LOSS_WINDOW, why=WHY_LOSS_WINDOW, minimum=3)
    min_fall: float = limit(MIN_FALL, why=WHY_MIN_FALL)
    min_fraction_of_chance: float = limit(
        0.2, why="judgment call: a loss of 0.6 for 20 classes; below this, the network has learned"
    )
    max_fraction_of_chance: float = limit(
        0.9,
        why="judgment call: 2.7 for 20 classes; nearer to ln C, next to nothing was learned, and within 0.05 of ln C "
        "SPK302 reports a plateau at chance",
    )
    t_score: float = limit(T_SCORE, why=WHY_T_SCORE)
    min_losses: int = limit(
        256, why="judgment call: four windows, since many losses pause for a while and then keep falling"
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a note where the loss has stopped between chance level and learned."""
        loss = readings.all[LossReading]
        trend, classes = LossTrend.of(loss), loss.classes
        if trend is None or classes is None or classes <= 1 or not loss.plain_mean:
            return
        between = self.min_fraction_of_chance <= trend.mean / log(classes) <= self.max_fraction_of_chance
        flat = trend.is_flat(self.loss_window, self.min_fall, self.t_score)
        if not between or not flat or loss.updates < max(self.loss_window, self.min_losses):
            return
        yield self.finding(
            site,
            observed=trend.observed(self.loss_window),
            expected=Expected(
                "a loss that keeps falling",
                because="labels, axes, time bins, the logits' range or the network's size can all set a floor",
            ),
            when=Moment(readings.run.update),
            classes=classes,
            chance=log(classes),
        )
