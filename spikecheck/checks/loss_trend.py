"""The straight line through the recent losses, by which plateaus and stalled losses are judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from spikecheck.checks.base import Readings
from spikecheck.finding import Observed
from spikecheck.readings import LossReading

LOSS_WINDOW = 64  # updates over which a fall is measured: the default of every check that measures one
MIN_FALL = 0.15
T_SCORE = 4.0
MIN_LOSSES_IN_TRAINING = 256

WHY_LOSS_WINDOW = (
    "derived: where single losses scatter by 0.08, 4 standard errors of the fall over 64 updates are 0.14, just below "
    "the default of `min_fall`"
)
WHY_MIN_FALL = (
    "measured: in 64 updates, the slowest healthy network lowered its loss by 0.51, those stuck at chance by 0.08"
)
WHY_T_SCORE = (
    "derived: by chance, a slope fitted to 64 losses is too flat by that much in 1 of 11,000 cases (Student's t "
    "distribution, one-sided)"
)
WHY_MIN_LOSSES_IN_TRAINING = "judgment call: four windows of 64, since a loss may pause for a while and then fall"


@dataclass(frozen=True)
class LossTrend:
    """Mean, slope per update and standard error of the slope of the most recent losses, as many as are remembered."""

    losses: int
    mean: float
    slope: float
    error: float

    @classmethod
    def of(cls, loss: LossReading, losses_per_update: float = 1.0) -> LossTrend | None:
        """Return the trend of a loss; None where there are too few losses for a line."""
        if loss.recent_mean is None or loss.recent_slope is None or loss.recent_slope_error is None:
            return None
        slope, error = loss.recent_slope * losses_per_update, loss.recent_slope_error * losses_per_update
        return cls(loss.window, loss.recent_mean, slope, error)

    def is_flat(self, loss_window: int, min_fall: float, t_score: float) -> bool:
        """Return whether the loss, beyond doubt, falls by less than `min_fall` in a window of updates."""
        return (self.slope - t_score * self.error) * loss_window > -min_fall

    def falls(self, t_score: float) -> bool:
        """Return whether the loss falls beyond doubt, however slowly."""
        return self.slope + t_score * self.error < 0

    def observed(self, loss_window: int, remark: str = "", **numbers: Any) -> Observed:
        """Return the trend as a phrase, with a remark behind it."""
        return Observed(
            "the last {losses} losses average {mean:#n} and change by {change:+n} ± {error:n} in {loss_window} updates"
            + remark,
            losses=self.losses,
            mean=self.mean,
            change=self.slope * loss_window,
            error=self.error * loss_window,
            loss_window=loss_window,
            **numbers,
        )


def has_too_few_losses(loss: LossReading, readings: Readings, loss_window: int, in_training: int) -> bool:
    """Return whether too few losses were computed to judge a trend; while training runs, it takes `in_training`."""
    return loss.updates < (max(loss_window, in_training) if readings.run.live else loss_window)


def losses_per_update(loss: LossReading, readings: Readings) -> float:
    """Return how many losses were computed for each update: more than 1 where gradients are accumulated."""
    return max(1, loss.updates / max(1, readings.run.update))
