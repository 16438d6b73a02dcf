"""Train copies with multiples of the learning rate."""

from __future__ import annotations

import math
import statistics
from functools import partial
from typing import Any, ClassVar

from torch.optim.optimizer import (
    Optimizer,
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from spikecheck.examination.experiments.base import Experiment, Measurement, Phase
from spikecheck.examination.isolation import run_isolated
from spikecheck.examination.subject import Subject
from spikecheck.experiment_readings import RateLadderReading
from spikecheck.number_format import number

FACTORS = (0.01, 0.1, 1.0, 10.0, 100.0)
UPDATES = 24


class RateLadder(Experiment):
    """Copies make the same updates with 0.01, 0.1, 1, 10 and 100 times the learning rate."""

    name: ClassVar = "learning-rate ladder"
    needs: ClassVar = "an optimizer with a learning rate"
    cost: ClassVar = "120 updates"
    proves: ClassVar = "a loss that falls with another rate alone proves that the rate keeps the network from learning"
    cannot_tell: ClassVar = "the cause: a larger rate speeds up most healthy networks, too"
    phase: ClassVar = Phase.SICK
    seconds: ClassVar = 20.0
    supports_only: ClassVar = True

    def run(self, subject: Subject) -> list[Measurement]:
        """Train each copy, and compare their losses at the end."""
        courses = {factor: run_isolated(partial(losses_at, factor=factor), subject).get() for factor in FACTORS}
        ends = [mean_of_end(courses[factor]) for factor in FACTORS]
        finite = [loss for loss in courses[1.0] if math.isfinite(loss)]
        noise = statistics.stdev(finite[-UPDATES // 4 :]) if len(finite) > UPDATES // 4 else 0.0
        first = courses[1.0][0]
        return [Measurement(RateLadderReading(UPDATES, first, FACTORS, tuple(ends), noise))]

    def summarize(self, measurements: list[Measurement]) -> str:
        """Return the loss at each rate."""
        reading: RateLadderReading = measurements[0].reading
        steps = (
            f"{number(loss)} at {number(factor)}x" for factor, loss in zip(reading.factors, reading.losses, strict=True)
        )
        return f"the loss starts at {number(reading.first_loss)}; after {reading.updates} updates: {', '.join(steps)}"


def losses_at(subject: Subject, factor: float) -> list[float]:
    """Train with a multiple of the learning rate, whatever a scheduler makes of it, and return the losses."""
    scaled = ScaledRates(factor)
    handles = register_optimizer_step_pre_hook(scaled.apply), register_optimizer_step_post_hook(scaled.undo)
    try:
        return subject.train(UPDATES)
    finally:
        for handle in handles:
            handle.remove()


class ScaledRates:
    """Multiplies the learning rates during each update; a scheduler finds those that it made itself."""

    def __init__(self, factor: float) -> None:
        self.factor = factor
        self.rates: dict[int, list[Any]] = {}  # of each optimizer, by its id

    def apply(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        """Multiply them."""
        self.rates[id(optimizer)] = [group["lr"] for group in optimizer.param_groups]
        for group in optimizer.param_groups:
            group["lr"] = group["lr"] * self.factor

    def undo(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        """Put them back."""
        for group, rate in zip(optimizer.param_groups, self.rates[id(optimizer)], strict=True):
            group["lr"] = rate


def mean_of_end(losses: list[float]) -> float:
    """Return the mean loss of the last quarter; infinity where one is not finite."""
    end = losses[-max(1, len(losses) // 4) :]
    mean = sum(end) / len(end)
    return mean if math.isfinite(mean) else math.inf
