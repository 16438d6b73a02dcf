"""A fault, and the parts of a training script that it can replace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # `spikecheck train --help` lists the faults without loading torch
    import torch
    from torch import nn
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler


@dataclass(frozen=True)
class Recipe:
    """The parts of a training script that a fault can replace.

    Attributes:
        frames: converts the events of one sample (numpy, fields t in microseconds, x, p) to frames [time, channel].
        build: builds the model, from [batch, time, channel] to logits [batch, class].
        loss: maps logits [batch, class] and labels [batch] to a scalar.
        learning_rate: maximum of the schedule.
        schedule: makes a scheduler, stepped once per update, from the optimizer and the number of updates.
    """

    frames: Callable[[Any], torch.Tensor]
    build: Callable[[], nn.Module]
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    learning_rate: float
    schedule: Callable[[Optimizer, int], LRScheduler]


@dataclass(frozen=True)
class Fault:
    """A common mistake, as a change of the recipe.

    Attributes:
        name: as written after `--break`, words joined by hyphens.
        causes: ids of the checks that must report it; the first is the root cause.
        inject: returns the recipe with the fault in it.
    """

    name: str
    causes: tuple[str, ...]
    inject: Callable[[Recipe], Recipe]
