"""Whether the network learns: asked once, for any loss, and used by every check that says nothing is learned."""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot, inf, isfinite, log, nan, sqrt
from statistics import fmean, stdev

from spikecheck.checks.base import Readings, once_per_run
from spikecheck.readings import LossReading, RegressionTargetReading, TargetReading

T_SCORE = 4.0  # standard errors: a difference larger than that is no accident
#: Of the loss of a guess, measured: networks that had stopped at chance were 0.02 below ln 20 = 3.00 at most.
MIN_GAIN_ON_GUESS = 0.02
#: Of the targets' variance, judgment call: predicting each output's own mean, which takes no input, is that much below.
MIN_GAIN_ON_VARIANCE = 0.1
MIN_FALL = 0.1  # of the first loss, where no guess is known: a judgment call
MIN_FALL_IN_DEVIATIONS = 3.0  # the first loss is a single one: chance puts it this far above the mean once in 740 runs
HALVED = 0.5  # judgment call: what a network has learned that comes this far outweighs what may slow it down
NEAR_GUESS = 1.1  # judgment call: logits of an ordinary scale start at most that far above the loss of a guess
#: Times ln C, derived and measured: SPK303 gives the reason.
HIGH_FIRST_LOSS = 4.0
START_LOSSES = 8  # judgment call: few enough to come before most of the learning
MIN_LAST_LOSSES = 8  # judgment call: losses that a jump before them does not outweigh
LATEST_SHARE = 0.25  # of the run, judgment call: the losses that count as the latest
MIN_LATEST = 4  # below, those that are remembered are taken, however old
MIN_LOSSES = 64  # judgment call, as many as a chance plateau is judged by: before, nobody can expect learning
MIN_WINDOW = 8  # judgment call: with fewer losses, a straight line through them says nothing

#: Of losses without a known guess, those that compare the output with a teacher's: these are a task, and no penalty.
DIVERGENCES = ("kl_div",)
LOGISTIC = ("binary_cross_entropy", "binary_cross_entropy_with_logits")


@dataclass(frozen=True)
class Learning:
    """What one loss says: its latest level, what that has to be below, and whether it falls.

    `guess` is the loss of the best guess that ignores the input: the labels' entropy, ln C, the targets' variance. None
    where it is not known; then the loss is compared with where it began.
    """

    level: float
    error: float  # standard error of the level
    first: float
    deviation: float  # of single losses
    guess: float | None
    min_gain: float  # of the guess
    slope: float | None
    slope_error: float | None
    is_divergence: bool = False  # from a teacher's distribution
    last: tuple[float, ...] = ()  # of successive updates
    uniform: float | None = None  # the loss of equal logits, also with smoothed labels
    start: tuple[float, ...] = ()  # the first losses

    @classmethod
    def of(cls, loss: LossReading, targets: TargetReading | None, numbers: RegressionTargetReading | None) -> Learning:
        """Return what a loss over the whole run says; `targets` or `numbers` are what it was computed from."""
        level, error = latest_level(loss)
        deviation = inf if loss.recent_deviation is None else loss.recent_deviation
        guess, min_gain = guess_of(loss, targets, numbers)
        steep = loss.window >= MIN_WINDOW
        return cls(
            level,
            error,
            inf if loss.first is None else loss.first,
            deviation,
            guess,
            min_gain,
            loss.recent_slope if steep else None,
            loss.recent_slope_error if steep else None,
            loss.function in DIVERGENCES,
            loss.latest,
            log(loss.classes) if loss.classes else None,
            tuple(value for _, value in loss.trace[:START_LOSSES]) if len(loss.trace) >= MIN_LOSSES else (),
        )

    @property
    def has_learned(self) -> bool:
        """Whether the loss is, beyond doubt, below what it can be without learning from the input."""
        if not isfinite(self.level):
            return False
        if self.guess is not None:
            limit = (1 - self.min_gain) * self.guess
            return self.level + T_SCORE * self.error < limit or self.last_are_below(limit)
        return self.is_below_first

    def last_are_below(self, limit: float) -> bool:
        """Return whether the very latest losses are below a limit beyond doubt, as after a jump that is over."""
        if len(self.last) < MIN_LAST_LOSSES or not all(map(isfinite, self.last)):
            return False
        error = stdev(self.last) / sqrt(len(self.last))
        return max(self.last) < limit and fmean(self.last) + T_SCORE * error < limit

    @property
    def has_halved(self) -> bool:
        """Whether the loss is down to half of a guess's, or of the first one where no guess is known."""
        whole = self.first if self.guess is None else self.guess
        return self.has_learned and 0 <= self.level < HALVED * whole

    @property
    def is_below_first(self) -> bool:
        """Whether the latest losses lie well below the first, and not by chance."""
        fall = self.first - self.level
        beyond_chance = fall > MIN_FALL_IN_DEVIATIONS * self.deviation or (self.guess is None and self.is_below_start)
        return isfinite(self.first) and fall > MIN_FALL * abs(self.first) and beyond_chance

    @property
    def is_below_start(self) -> bool:
        """Whether the latest losses lie below the mean of the first ones beyond doubt, however noisy they are."""
        if not self.start or not all(map(isfinite, self.start)):
            return False
        error = hypot(self.error, stdev(self.start) / sqrt(len(self.start)))
        return fmean(self.start) - self.level > T_SCORE * error

    @property
    def rises(self) -> bool:
        """Whether the latest losses rise beyond doubt, lie well above the first ones, or are not finite any more."""
        if not isfinite(self.level) or not self.start or not all(map(isfinite, self.start)):
            return isfinite(self.first) and (not isfinite(self.level) or self.rises_now)
        error = hypot(self.error, stdev(self.start) / sqrt(len(self.start)))
        return self.rises_now or self.level - fmean(self.start) > max(T_SCORE * error, MIN_FALL * abs(self.first))

    @property
    def rises_now(self) -> bool:
        """Whether the latest losses rise beyond doubt."""
        known = self.slope is not None and self.slope_error is not None
        return known and self.slope - T_SCORE * self.slope_error > 0  # type: ignore[operator]

    @property
    def falls(self) -> bool:
        """Whether the latest losses fall beyond doubt, or lie well below the first.

        From large logits a loss falls to that of a guess by itself: the updates have an effect, and nothing is learned.
        """
        return isfinite(self.level) and (self.falls_now or self.is_below_first)

    @property
    def falls_now(self) -> bool:
        """Whether the latest losses fall beyond doubt."""
        known = self.slope is not None and self.slope_error is not None
        return known and self.slope + T_SCORE * self.slope_error < 0  # type: ignore[operator]


def latest_level(loss: LossReading) -> tuple[float, float]:
    """Return the mean of the latest losses and its standard error; NaN where there is none.

    Those of the last quarter of the run where these are fewer than the ones that are remembered for a straight line. In
    a long run they are thinned out, and may all be of the same piece of a recording.
    """
    deviation = inf if loss.recent_deviation is None else loss.recent_deviation
    if loss.recent_mean is None:
        return nan, deviation
    last = loss.trace[-1][0] if loss.trace else 0
    latest = [value for update, value in loss.trace if update > (1 - LATEST_SHARE) * last]
    if MIN_LATEST <= len(latest) < loss.window and LATEST_SHARE * last < loss.window:
        own = stdev(latest) if len(latest) >= MIN_LAST_LOSSES and all(map(isfinite, latest)) else deviation
        return sum(latest) / len(latest), own / sqrt(len(latest))
    return loss.recent_mean, deviation / sqrt(max(1, loss.window))


def guess_of(
    loss: LossReading, targets: TargetReading | None, numbers: RegressionTargetReading | None
) -> tuple[float | None, float]:
    """Return the loss of the best guess without the input, None where it is not known, and how far below is learned."""
    if loss.classes is not None:
        return (constant_guess_loss(loss, targets) if loss.plain_mean else None), MIN_GAIN_ON_GUESS
    if numbers is None or not loss.plain_mean:
        return None, 0.0
    mean, variance = numbers.target_mean, numbers.target_variance
    if loss.function in LOGISTIC and mean is not None and 0 < mean < 1:
        return -mean * log(mean) - (1 - mean) * log(1 - mean), MIN_GAIN_ON_VARIANCE
    if loss.function == "mse_loss" and variance is not None and variance > 0:
        return variance, MIN_GAIN_ON_VARIANCE
    return None, 0.0


def constant_guess_loss(loss: LossReading, targets: TargetReading | None) -> float | None:
    """Return the loss of predicting how often each class comes: the labels' entropy, or ln C if they are not known."""
    if loss.classes is None or loss.classes <= 1:
        return None
    entropy = None if targets is None else targets.entropy
    return log(loss.classes) if entropy is None else min(entropy, log(loss.classes))


def is_high_at_first(loss: LossReading, times_chance: float = HIGH_FIRST_LOSS) -> bool:
    """Return whether the loss before the first update is so many times that of a uniform guess over the classes."""
    known = loss.first is not None and loss.classes is not None and loss.classes > 1 and loss.plain_mean
    return known and isfinite(loss.first) and loss.first >= times_chance * log(loss.classes)  # type: ignore[operator, arg-type]


def learning_of(readings: Readings) -> Learning | None:
    """Return what the loss at this place says over the whole run; None where there is no loss."""
    loss = readings.all.get(LossReading)
    if loss is None:
        return None
    return Learning.of(loss, readings.all.get(TargetReading), readings.all.get(RegressionTargetReading))


@once_per_run
def every_learning(readings: Readings) -> list[Learning]:
    """Return what each loss of the run says."""
    places = readings.all.every(LossReading)
    return [one for place in places if (one := learning_of(readings.at(place))) is not None]


def telling(readings: Readings) -> list[Learning]:
    """Return the losses that tell whether anything is learned: those whose guess is known, or else all.

    A divergence from a teacher's output is one of them once it has halved: it falls a little from large logits alone.
    """
    every = every_learning(readings)
    return [one for one in every if one.guess is not None or (one.is_divergence and one.has_halved)] or every


def has_learned(readings: Readings) -> bool:
    """Return whether the network has learned, and still knows it.

    Where a guess is known for any loss, only such losses count: a penalty may fall while nothing is learned.
    """
    return any(one.has_learned for one in telling(readings))


def has_learned_much(readings: Readings) -> bool:
    """Return whether a loss is down to half of what it is without learning, and stays there."""
    return any(one.has_halved for one in telling(readings))


def is_near_guess(readings: Readings) -> bool:
    """Return whether a loss is hardly above that of a guess, or below it: then the scale of the logits is no fault."""
    every = ((one.level, one.guess or one.uniform) for one in every_learning(readings))
    return any(guess is not None and level < NEAR_GUESS * guess for level, guess in every)


def makes_progress(readings: Readings) -> bool:
    """Return whether any loss falls, or has fallen: then the updates have an effect."""
    return any(one.falls or one.has_learned for one in every_learning(readings))


def any_loss_falls(readings: Readings) -> bool:
    """Return whether any loss falls, or lies well below where it began, as low as that may have been."""
    return any(one.falls for one in every_learning(readings))


def far_from_learned(readings: Readings) -> tuple[float, float, bool] | None:
    """Return the loss that came nearest to half of a guess's, that guess's, and whether it still falls.

    None where one came that far, too few were computed to expect it, nothing is learned, or no guess is known.
    """
    if most_losses(readings) < MIN_LOSSES or has_learned_much(readings):
        return None
    learned = (one for one in telling(readings) if one.has_learned)
    below = [(one.level, one.guess, one.falls_now) for one in learned if one.guess and one.level < one.guess]
    return min(below, key=lambda one: one[0] / one[1], default=None)


def most_losses(readings: Readings) -> int:
    """Return how many losses were computed at the place that has most of them."""
    return max((loss.updates for loss in readings.all.every(LossReading).values()), default=0)


def losses_without_learning(readings: Readings) -> int | None:
    """Return after how many losses none shows that anything is learned; None where one does or they are too few.

    A loss without a known guess also shows it while it falls: a penalty, a reward, a distance.
    """
    losses = most_losses(readings)
    return None if shows_learning(readings) or losses < MIN_LOSSES else losses


def learns_little(readings: Readings) -> bool:
    """Return whether enough losses show that nothing, or not much, is learned."""
    return losses_without_learning(readings) is not None or far_from_learned(readings) is not None


def signs_of_learning(readings: Readings) -> tuple[int | None, tuple[float, float, bool] | None, int | None, bool]:
    """Return what a report says of the learning: the answers of four of these functions."""
    return (
        losses_without_learning(readings),
        far_from_learned(readings),
        too_few_losses(readings),
        knows_a_guess(readings),
    )


def knows_a_guess(readings: Readings) -> bool:
    """Return whether it is known of any loss what a guess without the input has, or it is a task that shows it."""
    return any(one.guess is not None or one.is_divergence for one in every_learning(readings))


def too_few_losses(readings: Readings) -> int | None:
    """Return how many losses there were, where they show no learning and are too few to expect it; None otherwise."""
    losses = most_losses(readings)
    return losses if 0 < losses < MIN_LOSSES and not shows_learning(readings) else None


def shows_learning(readings: Readings) -> bool:
    """Return whether a loss shows that something is learned."""
    return any(one.has_learned or (one.guess is None and one.falls) for one in telling(readings))
