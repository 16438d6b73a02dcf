"""A training script with replaceable parts, and its result."""

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
LAST_LOSSES = 8  # number of losses averaged for the last loss

Batch = tuple[Tensor, Tensor]


def as_it_is(x: Tensor, y: Tensor) -> Batch:
    """Return the batch unchanged."""
    return x, y


def right(logits: Tensor, labels: Tensor) -> float:
    """Return the accuracy."""
    return float((logits.argmax(-1) == labels).float().mean())


@dataclass
class Script:
    """The parts of a training script, each of which a fault can replace.

    Attributes:
        model: maps [batch, step, channel] to logits [batch, class].
        data: the training stream.
        loss: maps logits and labels to a scalar.
        optimizer: defaults to Adam on all trainable parameters.
        schedule: learning rate scheduler, stepped once per update.
        prepare: transforms each batch, in training and in the test.
        relabel: transforms the labels in training.
        update: one training step; defaults to `ordinary`.
        begin: called before each update; sets the training mode.
        score: maps logits and labels to a score from 0 to 1; defaults to the accuracy.
        begin_test: called before the test; sets the evaluation mode.
        test_batch: samples of a batch in the test.
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
    begin_test: Callable[[nn.Module], object] = nn.Module.eval
    test_batch: int | None = None

    @property
    def used(self) -> Optimizer:
        """Return the optimizer; create the default one on first use."""
        if self.optimizer is None:
            trained = [p for p in self.model.parameters() if p.requires_grad]
            self.optimizer = torch.optim.Adam(trained, lr=LEARNING_RATE)
        return self.optimizer


def ordinary(script: Script, x: Tensor, y: Tensor) -> Tensor:
    """Make one update: forward pass, loss, backward pass, optimizer step."""
    script.used.zero_grad()
    loss = script.loss(script.model(x), y)
    loss.backward()  # type: ignore[no-untyped-call]
    script.used.step()
    return loss


@dataclass(frozen=True)
class Training:
    """The result of a run: first loss, mean of the last losses, test score, and the error it raised."""

    first: float
    last: float
    score: float
    raised: str = ""


def run(script: Script) -> Training:
    """Train, then test; an error of the script ends the run and is recorded."""
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
    """Return the score of each test batch."""
    script.begin_test(script.model)
    with torch.no_grad():
        batches = [script.prepare(x, y) for x, y in script.data.held_out(TEST_BATCHES)]
        size = script.test_batch or max(len(y) for _, y in batches)
        parts = [part for x, y in batches for part in zip(x.split(size), y.split(size), strict=True)]
        return [script.score(script.model(x), y) for x, y in parts]
