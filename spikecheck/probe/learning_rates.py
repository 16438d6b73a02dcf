"""The learning rates that an optimizer used, update by update, and what its weight decay takes away."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import Optimizer

from spikecheck.site import MUCH_HIGHER, LearningRateHistory

DECOUPLED = ("AdamW", "Lion", "LAMB", "Adafactor", "Muon")  # decay the weights themselves, apart from the gradient


class LearningRateHistories:
    """The learning rate of each parameter so far; plain numbers, no tensors."""

    def __init__(self) -> None:
        self.histories: dict[int, LearningRateHistory] = {}  # by the id of a parameter, which its optimizer keeps alive

    def record(self, optimizer: Optimizer, name: str = "") -> None:
        """An optimizer of this name is about to step."""
        nothing = LearningRateHistory(0.0, 0.0, 0.0, 0)
        for group in optimizer.param_groups:
            rate = group.get("lr")
            if not isinstance(rate, int | float):  # a tensor, which would have to be waited for
                continue
            shrink, scheduled = shrinkage(optimizer, group, float(rate)), group.get("initial_lr", 0.0)
            scheduled = float(scheduled) if isinstance(scheduled, int | float) else 0.0
            decay = group.get("weight_decay", 0.0)
            decay = float(decay) if isinstance(decay, int | float) else 0.0
            latest = LearningRateHistory(float(rate), float(rate), 1.0, 1, shrink, decay, scheduled, name)
            known: dict[Any, LearningRateHistory] = {}  # most of a group have one; none is freed before it was read
            for parameter in group["params"]:
                history = self.histories.get(id(parameter), nothing)
                key = id(history), parameter.dtype
                if key not in known:
                    known[key] = extended(history, latest, zero_epsilon(group, parameter.dtype))
                self.histories[id(parameter)] = known[key]

    def rises(self, optimizer: Optimizer) -> bool:
        """Return whether the coming update has a learning rate much higher than any before, in one of its groups."""
        known = [(group.get("lr"), self.of(one)) for group in optimizer.param_groups for one in group["params"][:1]]
        return any(
            isinstance(rate, int | float) and history is not None and rate > MUCH_HIGHER * history.maximum_rate
            for rate, history in known
        )

    def of(self, parameter: Tensor) -> LearningRateHistory | None:
        """Return a parameter's history."""
        return self.histories.get(id(parameter))


def extended(history: LearningRateHistory, latest: LearningRateHistory, zero_epsilon: float) -> LearningRateHistory:
    """Return a history with the latest update; earlier ones weigh less where the rate rises above all before."""
    highest = max(history.maximum_rate, latest.rate)
    before = history.updates_at_maximum * history.maximum_rate / highest if highest else 0.0
    return replace(
        latest,
        maximum_rate=highest,
        updates_at_maximum=before + (latest.rate / highest if highest else 0.0),
        updates=history.updates + 1,
        zero_epsilon=zero_epsilon,
    )


def shrinkage(optimizer: Optimizer, group: dict[str, Any], rate: float) -> float | None:
    """Return the share of a weight that its decay takes away in one update; None where the gradient matters too."""
    weight_decay = group.get("weight_decay", 0)
    if not isinstance(weight_decay, int | float):
        return None
    if weight_decay == 0:
        return 0.0
    if group.get("decoupled_weight_decay") or type(optimizer).__name__ in DECOUPLED:
        return rate * weight_decay
    if type(optimizer).__name__ == "SGD" and isinstance(momentum := group.get("momentum", 0), int | float):
        return rate * weight_decay / (1 - momentum) if momentum < 1 else None
    return None


def zero_epsilon(group: dict[str, Any], dtype: torch.dtype) -> float:
    """Return the `eps` that keeps a divisor from 0, where it is 0 itself in the parameter's number format; else 0.

    A fused optimizer computes in float32 whatever the format.
    """
    epsilon = group.get("eps", 0.0)
    if not isinstance(epsilon, float) or group.get("fused") or not dtype.is_floating_point:
        return 0.0
    return epsilon if epsilon <= largest_zero(dtype) else 0.0


@cache
def largest_zero(dtype: torch.dtype) -> float:
    """Return the largest number that a format rounds to 0."""
    numbers = torch.finfo(dtype)
    return numbers.smallest_normal * numbers.eps / 2
