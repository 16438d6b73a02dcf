"""A fault, and the parts of a training script that a fault can replace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # `spikecheck train --help` lists the faults, and must not wait for torch
    import torch
    from torch import nn
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler


@dataclass(frozen=True)
class Recipe:
    """The parts of a training script, each of which a mistake can replace; `dataclasses.replace` makes another.

    Attributes:
        frames: the events of one sample (numpy, fields t in microseconds, x, p) to its frames [time, channel].
        build: makes the model, [batch, time, channel] to logits [batch, class].
        loss: logits [batch, class] and labels [batch] to a scalar.
        learning_rate: the largest of the schedule.
        schedule: the optimizer and the number of updates to a scheduler that is stepped once an update.
    """

    frames: Callable[[Any], torch.Tensor]
    build: Callable[[], nn.Module]
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    learning_rate: float
    schedule: Callable[[Optimizer, int], LRScheduler]


@dataclass(frozen=True)
class Fault:
    """A mistake that people make, as a change of the recipe.

    Attributes:
        name: as written after `--break`, words joined by hyphens.
        causes: the checks that must find it, by id; the first is the root cause.
        inject: a recipe to the same recipe with the mistake in it.
    """

    name: str
    causes: tuple[str, ...]
    inject: Callable[[Recipe], Recipe]
