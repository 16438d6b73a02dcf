"""A loss that stays at that of a uniform guess, although the weights move."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log, sqrt
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.progress import constant_guess
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import (
    GradientReading,
    LogitReading,
    LossReading,
    ParameterReading,
    TargetReading,
    UpdateReading,
)
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class ChancePlateau(Check):
    """The loss stays at ln C, that of a uniform guess over C classes, although the optimizer moves the weights.

    ## What it means
    The last 64 losses, of {losses} or more, average between {below} below and {above} above ln C (3.0 for 20 classes),
    and they do not fall: a straight line through them, {doubt} standard errors steeper than it came out, still falls by
    less than {fall} in 64 updates. In that time the optimizer moved some weight by {moved} of its norm or more, or no
    weight got any gradient. A warm-up or a tiny learning rate, with weights that hardly move, is no plateau, nor is a
    slow learner: losses that fall, however slowly, and are below what the frequencies of the labels alone allow, both
    by {doubt} standard errors. While training goes on, this is said only after {patience} losses, since a plateau may
    come to an end. Where neither gradients nor an optimizer was seen, nothing is said.

    A run whose loss falls by {fall} or more in 64 updates is taken for one less often than once in 1000 runs, and so is
    one that falls by less, where it is 10 standard errors below the labels' entropy and falls by 8. This assumes that
    the losses scatter about a line independently and normally; then one look in 11,000 is wrong (Student's t with 62
    degrees of freedom above 4), and the loss passes ln C within a few looks. A run that stays nearer to ln C and falls
    more slowly is called a plateau, and may learn later.

    ## Why it matters
    The network gives every class the same, whatever the input: nothing of the input reaches the loss, or nothing of the
    labels reaches the weights. A silent layer does so, gradients that are cut off or NaN, and input whose axes are
    mixed up, for which the network is as healthy as can be. What is learned is the last bias, and with equal classes
    there is nothing to learn there. All logits equal, however large, give exactly ln C.

    ## Fix
    ```python any
    x, y = next(iter(loader))
    for _ in range(200):  # one batch, again and again: a network in order learns it by heart
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    # learned: look at the data (labels, axes, time bins); not learned: look at spikes and gradients, layer by layer
    ```

    ## Intended when
    The labels are random on purpose, as a control: `[tool.spikecheck.ignore] "SPK302" = "shuffled labels"`
    """

    id: ClassVar = "SPK302"
    slug: ClassVar = "chance-plateau"
    severity: ClassVar = Severity.ERROR
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.LOSS
    needs: ClassVar = (LossReading,)
    explained_by: ClassVar = (
        "SPK102",
        "SPK103",
        "SPK104",
        "SPK106",
        "SPK107",
        "SPK203",
        "SPK204",
        "SPK205",
        "SPK207",
        "SPK208",
        "SPK209",
        "SPK214",
        "SPK215",
        "SPK305",
        "SPK306",
        "SPK310",
        "SPK314",
        "SPK315",
        "SPK401",
        "SPK402",
        "SPK403",
        "SPK405",
        "SPK406",
        "SPK407",
        "SPK409",
        "SPK410",
        "SPK411",
        "SPK412",
        "SPK413",
    )
    message: ClassVar = "{site} stays at {mean:.4g}, a uniform guess over {classes} classes gives {chance:.4g}"

    losses: int = limit(
        64, why="derived: of losses that scatter by 0.08, the slope of 64 is known to 0.04 in 64 updates"
    )
    above: float = limit(
        0.1,
        why="derived: logits of no use with a standard deviation of 0.45 add half of its square; measured: 0.03 at "
        "most in networks that had stopped at chance",
    )
    below: float = limit(0.05, why="measured: 0.02 at most in networks that had stopped at chance")
    fall: float = limit(
        0.15, why="measured: the slowest healthy network falls by 0.51 in 64 updates, those stuck at chance by 0.08"
    )
    doubt: float = limit(
        4.0, why="derived: Student's t with 62 degrees of freedom is larger with a probability of 0.00009"
    )
    moved: float = limit(
        0.05,
        why="measured: a healthy network with a small learning rate moves by 0.21 in 64 updates, one whose rate is too "
        "small to learn by 0.00005",
    )

    patience: int = limit(
        256,
        why="measured: a network that saw one time step stayed at chance for 64 updates, and then learned; four times "
        "as many are taste",
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where the loss is at chance and, beyond doubt, does not fall."""
        loss = readings.all[LossReading]
        mean, slope, error = loss.recent_mean, loss.recent_slope, loss.recent_slope_error
        classes = loss.classes
        if mean is None or slope is None or error is None or classes is None or classes <= 1 or not loss.plain:
            return
        an_update = max(1, loss.updates / max(1, readings.run.update))  # losses, where gradients are accumulated
        steepest = (slope - self.doubt * error) * an_update * self.losses
        level = -self.below <= mean - log(classes) <= self.above and steepest > -self.fall
        path, stuck = moves(readings) * self.losses / an_update, starved(readings)
        early = loss.updates < self.losses or (readings.run.live and loss.updates < self.patience)
        logits = readings.get(LogitReading)
        tied = logits is not None and logits.rows > 0 and logits.tied == logits.rows
        slow = not tied and informed(loss, readings, self.doubt) and slope + self.doubt * error < 0
        if early or slow or not level or not (stuck or path >= self.moved):
            return
        yield self.found(
            site,
            seen=Seen(
                "the last {window} losses average {mean:.4f} and change by {change:+.3f} +- {error:.3f} in 64 updates"
                + ("; all logits are equal" if tied else "")
                + ("; no weight gets a gradient" if stuck else "; the optimizer moves weights by {path:.2g} of them"),
                window=loss.window,
                mean=mean,
                change=slope * an_update * self.losses,
                error=error * an_update * self.losses,
                path=path,
            ),
            expected=Expected(
                "a loss below ln {classes} = {chance:.4f}, and falling",
                because="that is what a network gives that does not look at its input",
                classes=classes,
                chance=log(classes),
            ),
            when=Moment(readings.run.update),
            classes=classes,
            chance=log(classes),
        )


def informed(loss: LossReading, readings: Readings, doubt: float) -> bool:
    """Is a loss below what the labels' frequencies alone allow, beyond doubt? Then it has learned of the input."""
    best = constant_guess(loss, readings.all.get(TargetReading))
    if loss.recent_mean is None or loss.recent_deviation is None or best is None:
        return False
    return loss.recent_mean + doubt * loss.recent_deviation / sqrt(loss.window) < best


def weights(readings: Readings) -> list[str]:
    """The parameters with several axes."""
    return [name for name, read in readings.every(ParameterReading).items() if read.dimensions > 1]


def moves(readings: Readings) -> float:
    """How far one update moves the weight that is moved most, as a share of it; recently, where that was seen."""
    seen = readings.every(UpdateReading) or readings.all.every(UpdateReading)
    return max((seen[name].mean for name in weights(readings) if name in seen), default=0.0)


def starved(readings: Readings) -> bool:
    """Was every recent gradient of every weight missing, exactly 0 or not finite?"""
    seen = readings.every(GradientReading)
    read = [seen[name] for name in weights(readings) if name in seen]
    return bool(read) and all(g.missing + g.zero + g.non_finite.count >= g.updates for g in read)
