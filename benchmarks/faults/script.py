"""A training script in exchangeable parts, and what became of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from statistics import fmean

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from .melodies import Melodies

LEARNING_RATE = 2e-3
TEST_BATCHES = 4
LAST_LOSSES = 8  # the last loss is the mean of so many

Batch = tuple[Tensor, Tensor]


def as_it_is(x: Tensor, y: Tensor) -> Batch:
    """Leave a batch as the stream gives it."""
    return x, y


def right(logits: Tensor, labels: Tensor) -> float:
    """The share of samples whose largest logit is the label's."""
    return float((logits.argmax(-1) == labels).float().mean())


@dataclass
class Script:
    """The parts of a training script, each of which a mistake can replace.

    Attributes:
        model: [batch, step, channel] to logits [batch, class].
        data: the stream it learns from.
        loss: logits and labels to a scalar.
        optimizer: Adam on every parameter where none is given.
        schedule: stepped once an update.
        prepare: what the script does to each batch, in training and in the test.
        relabel: what it does to the labels in training.
        update: one training step; the ordinary one where none is given.
        begin: called before each update: sets the mode.
        score: logits and labels to a figure from 0 to 1; the accuracy unless the task has no classes.
    """

    model: nn.Module
    data: Melodies = field(default_factory=Melodies)
    loss: Callable[[Tensor, Tensor], Tensor] = nn.functional.cross_entropy
    optimizer: Optimizer | None = None
    schedule: LRScheduler | None = None
    prepare: Callable[[Tensor, Tensor], Batch] = as_it_is
    relabel: Callable[[Tensor], Tensor] = Tensor.clone
    update: Callable[[Script, Tensor, Tensor], Tensor] | None = None
    begin: Callable[[nn.Module], object] = nn.Module.train
    score: Callable[[Tensor, Tensor], float] = right

    @property
    def used(self) -> Optimizer:
        """The optimizer; made at the first call where the script gives none."""
        if self.optimizer is None:
            trained = [p for p in self.model.parameters() if p.requires_grad]
            self.optimizer = torch.optim.Adam(trained, lr=LEARNING_RATE)
        return self.optimizer


def ordinary(script: Script, x: Tensor, y: Tensor) -> Tensor:
    """Forward, loss, backward, step."""
    script.used.zero_grad()
    loss = script.loss(script.model(x), y)
    loss.backward()  # type: ignore[no-untyped-call]
    script.used.step()
    return loss


@dataclass(frozen=True)
class Training:
    """What a run came to: the first loss, the mean of the last ones, the score on a test, and what was raised."""

    first: float
    last: float
    score: float
    raised: str = ""


def run(script: Script) -> Training:
    """Train, then test, as the script's author would; what the script raises ends it, and is kept."""
    losses: list[float] = []
    raised = ""
    try:
        for x, y in script.data:
            script.begin(script.model)
            x, y = script.prepare(x, script.relabel(y))
            losses.append(float((script.update or ordinary)(script, x, y).detach()))
            if script.schedule is not None:
                script.schedule.step()
        scores = tested(script)
    except (RuntimeError, IndexError, ValueError) as error:
        scores, raised = [], f"{type(error).__name__}: {error}".partition("\n")[0]
    return Training(
        first=losses[0] if losses else math.nan,
        last=fmean(losses[-LAST_LOSSES:]) if losses else math.nan,
        score=fmean(scores) if scores else math.nan,
        raised=raised,
    )


def tested(script: Script) -> Iterable[float]:
    """The score of each test batch."""
    script.model.eval()
    with torch.no_grad():
        batches = [script.prepare(x, y) for x, y in script.data.held_out(TEST_BATCHES)]
        return [script.score(script.model(x), y) for x, y in batches]
