"""The learning rates that an optimizer was given, update by update, and what its weight decay takes away."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.optim.optimizer import Optimizer

from spikecheck.site import LearningRateHistory

DECOUPLED = ("AdamW", "Lion", "LAMB", "Adafactor", "Muon")  # decay the weights themselves, beside the gradient


class Paces:
    """What was told to each parameter so far; plain numbers, no tensors."""

    def __init__(self) -> None:
        self.so_far: dict[int, LearningRateHistory] = {}  # by the id of a parameter, which its optimizer keeps alive

    def step(self, optimizer: Optimizer) -> None:
        """An optimizer is about to step."""
        for group in optimizer.param_groups:
            rate = group.get("lr")
            if not isinstance(rate, int | float):  # a tensor, which would have to be waited for
                continue
            shrink = decay(optimizer, group, float(rate))
            for parameter in group["params"]:
                old = self.so_far.get(id(parameter), LearningRateHistory(0.0, 0.0, 0.0, 0))
                self.so_far[id(parameter)] = later(old, float(rate), shrink, group.get("weight_decay", 0.0))

    def of(self, parameter: Tensor) -> LearningRateHistory | None:
        """What a parameter was told."""
        return self.so_far.get(id(parameter))


def later(old: LearningRateHistory, rate: float, shrink: float | None, wanted: object) -> LearningRateHistory:
    """One update more; what came before counts for less where the rate rises above all before."""
    highest, told = max(old.maximum_rate, rate), float(wanted) if isinstance(wanted, int | float) else 0.0
    before = old.updates_at_maximum * old.maximum_rate / highest if highest else 0.0
    return LearningRateHistory(
        rate, highest, before + (rate / highest if highest else 0.0), old.updates + 1, shrink, told
    )


def decay(optimizer: Optimizer, group: dict[str, Any], rate: float) -> float | None:
    """The share of a weight that its decay takes away in one update; None where that depends on the gradient."""
    wanted = group.get("weight_decay", 0)
    if not isinstance(wanted, int | float):
        return None
    if wanted == 0:
        return 0.0
    if group.get("decoupled_weight_decay") or type(optimizer).__name__ in DECOUPLED:
        return rate * wanted
    if type(optimizer).__name__ == "SGD" and isinstance(momentum := group.get("momentum", 0), int | float):
        return rate * wanted / (1 - momentum) if momentum < 1 else None
    return None
