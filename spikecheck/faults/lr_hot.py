"""Adam's learning rate is 0.5, without a schedule."""

from __future__ import annotations

from dataclasses import replace

from torch.optim import Optimizer
from torch.optim.lr_scheduler import ConstantLR, LRScheduler

from .base import Fault, Recipe

LEARNING_RATE = 0.5  # suited to plain SGD; Adam moves every weight by about this much per update


def constant(optimizer: Optimizer, updates: int) -> LRScheduler:
    """Keep the learning rate constant."""
    return ConstantLR(optimizer, factor=1.0, total_iters=updates)


def inject(recipe: Recipe) -> Recipe:
    """Raise the learning rate and remove its schedule."""
    return replace(recipe, learning_rate=LEARNING_RATE, schedule=constant)


FAULT = Fault("lr-hot", causes=("SPK407",), inject=inject)
