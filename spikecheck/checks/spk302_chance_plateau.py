"""A loss that stays at that of a uniform guess."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import LogitReading, LossReading, ParameterReading, UpdateReading
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class ChancePlateau(Check):
    """The loss stays at ln C, that of a uniform guess, though the weights are moved.

    ## What it means
    The last {window} losses or more lie within a share of {near} of ln C on average (3.0 for 20 classes), they do not
    fall, and the weights have been moved by {moved} of their norm or more since training began. Not falling is two
    tests of a straight line through them: its fall is within {errors} standard errors of none, and no fall of {fall} of
    ln C over the window would have been hidden by the noise, {sure} standard errors away.

    A loss that falls in the window by 2.2 standard deviations of its noise, or by {fall} of ln C, is called a plateau
    less than once in 1000 times, if the noise of one update does not depend on that of the next. A loss that falls more
    slowly than both cannot be told from a plateau by {window} losses.

    ## Why it matters
    The network says the same for every sample, or something that has nothing to do with it. Two roads lead there. A
    silent output layer gives equal logits, and exactly ln C from the first update on. A layer that is dead further
    inside lets the last bias alone be trained, and the loss comes down to ln C and stays. Labels that do not belong to
    the samples look the same from within a run: to know, train on a single batch, whose loss must fall to 0.

    ## Fix
    ```python any
    x, y = next(iter(batches))
    for _ in range(200):  # one batch again and again: where this does not fall either, it is not the data
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    ```

    ## Intended when
    The labels are random on purpose, as in a test for leaks: `[tool.spikecheck.ignore] "SPK302" = "shuffled labels"`
    """

    id: ClassVar = "SPK302"
    slug: ClassVar = "chance-plateau"
    severity: ClassVar = Severity.ERROR
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.LOSS
    needs: ClassVar = (LossReading,)
    explained_by: ClassVar = (
        "SPK203",
        "SPK204",
        "SPK205",
        "SPK208",
        "SPK305",
        "SPK401",
        "SPK405",
        "SPK406",
        "SPK407",
    )
    message: ClassVar = "the last {window} of {site} average {mean:.4g}; a uniform guess gives {chance:.4g}"

    window: int = limit(
        64, why="derived: a fall of 2.2 standard deviations of the noise is seen in so many with an error below 0.001"
    )
    patience: int = limit(
        192, why="taste: while training goes on, three windows: warm-up and silent starts take tens of updates"
    )
    near: float = limit(0.02, why="to be measured")
    errors: float = limit(
        2.0, why="derived: a true plateau is missed once in 40 windows; a fall of 5.1 errors passes once in 1000"
    )
    fall: float = limit(0.03, why="to be measured")
    sure: float = limit(4.0, why="derived: with 62 degrees of freedom, Student's t exceeds 4 once in 10,000 times")
    resolution: float = limit(1e-6, why="derived: float32 losses near 3 are 2.4e-7 apart: no fall below this is a fall")
    moved: float = limit(0.1, why="to be measured")

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where the last losses are at chance and flat, and the optimizer did its part."""
        loss = readings.all[LossReading]
        mean, slope, error = loss.recent_mean, loss.recent_slope, loss.recent_slope_error
        if mean is None or slope is None or error is None or loss.classes is None or loss.classes <= 1:
            return
        wanted = self.patience if readings.run.live else self.window
        if not loss.plain or loss.window < self.window or loss.updates < wanted or loss.non_finite.count:
            return
        chance = log(loss.classes)
        fallen, noise = -slope * loss.window, error * loss.window
        flat = fallen <= self.errors * noise + self.resolution * chance and fallen + self.sure * noise < (
            self.fall * chance
        )
        path = moves(readings)
        if abs(mean - chance) > self.near * chance or not flat or path < self.moved:
            return
        logits = readings.get(LogitReading)
        tied = logits is not None and 0 < logits.rows == logits.tied
        yield self.found(
            site,
            seen=Seen(
                "a mean of {mean:.5g} over {window} losses, a fall of {fallen:.2g} with a standard error of {noise:.2g}"
                + (": all logits are equal" if tied else ""),
                mean=mean,
                window=loss.window,
                fallen=fallen,
                noise=noise,
            ),
            expected=Expected(
                "a loss that falls below ln {classes} = {chance:.4g}",
                because=f"the weights were moved by {path:.2g} times their norm in all",
                classes=loss.classes,
                chance=chance,
            ),
            when=Moment(max(0, readings.run.update - loss.window)),
            chance=chance,
        )


def moves(readings: Readings) -> float:
    """How far the weight that was moved most has come, in its own norms: what one update moves, times the updates.

    Steps are compared in some updates alone; a weight has several axes, while biases may start at 0.
    """
    parameters = readings.every(ParameterReading)
    updates = {name: u for name, u in readings.all.every(UpdateReading).items() if name in parameters}
    paths = [u.mean * readings.run.update for name, u in updates.items() if parameters[name].dimensions > 1]
    return max(paths, default=0.0)
