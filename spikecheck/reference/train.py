"""The training loop of the reference model; a resumed run equals an uninterrupted one bit for bit."""

from __future__ import annotations

import math
import os
import pickle
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR

from spikecheck.errors import SpikecheckError
from spikecheck.faults import inject
from spikecheck.faults.base import Recipe
from spikecheck.monitor import Monitor

from .frames import Augmentation, Examples, Frames
from .model import build

BATCH = 32
EVALUATION_BATCH = 256  # without gradients a larger batch fits; it affects only the speed


def one_cycle(optimizer: Optimizer, updates: int) -> LRScheduler:
    """Raise the learning rate to that of the `optimizer` in the first third of the `updates`, then lower it to 0."""
    return OneCycleLR(optimizer, max_lr=optimizer.defaults["lr"], total_steps=updates)


RECIPE = Recipe(frames=Frames(), build=build, loss=nn.CrossEntropyLoss(), learning_rate=3e-3, schedule=one_cycle)


def build_with(faults: list[str]) -> nn.Module:
    """Build the model with `faults`, as `train --break` does; the factory named in the checkpoint of such a run.

    Raises:
        SpikecheckError: a name is not that of a fault.
    """
    return inject(RECIPE, faults).build()


@dataclass(frozen=True)
class Plan:
    """The settings of a run; together with the data they determine it.

    Attributes:
        epochs: length of the whole run, including the learning rate schedule.
        seed: random seed for weights, shuffling, augmentation and dropout.
        faults: names of the faults to inject.
    """

    epochs: int = 80
    seed: int = 0
    faults: tuple[str, ...] = ()


@dataclass(frozen=True)
class Epoch:
    """One entry of the history. Losses are means over words, accuracies fractions of words."""

    epoch: int
    train_loss: float
    train_accuracy: float
    test_loss: float
    test_accuracy: float


@dataclass
class Score:
    """Loss and correct predictions, summed over batches."""

    words: int = 0
    loss: float = 0.0
    correct: int = 0

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Add a batch: its mean `loss`, `logits` [batch, class] and `labels` [batch]."""
        self.words += len(labels)
        self.loss += loss.item() * len(labels)
        self.correct += int((logits.argmax(dim=1) == labels).sum())


def nothing() -> None:
    """Do nothing after an update."""


@dataclass
class Run:
    """A training run: create it and iterate over `epochs()`; call `save` or `load` between epochs.

    Attributes:
        plan: epochs, seed, faults.
        recipe: the parts of the training script, with the plan's faults injected.
        train, test: words of different speakers.
        history: one entry per epoch.
    """

    plan: Plan
    recipe: Recipe
    train: Examples
    test: Examples
    augment: Callable[[Tensor], Tensor] = field(default_factory=Augmentation)
    history: list[Epoch] = field(default_factory=list)

    def __post_init__(self) -> None:
        torch.manual_seed(self.plan.seed)
        self.model = self.recipe.build()
        self.optimizer = Adam(self.model.parameters(), lr=self.recipe.learning_rate)
        self.scheduler = self.recipe.schedule(self.optimizer, self.plan.epochs * self.updates)

    @property
    def updates(self) -> int:
        """The number of updates per epoch."""
        return math.ceil(len(self.train) / BATCH)

    def epochs(self, advance: Callable[[], None] = nothing) -> Iterator[Epoch]:
        """Train to the end of the plan and yield the entry of each epoch; call `advance` after every update."""
        for number in range(len(self.history) + 1, self.plan.epochs + 1):
            train, test = self._learn(advance), self._evaluate()
            row = Epoch(
                epoch=number,
                train_loss=train.loss / train.words,
                train_accuracy=train.correct / train.words,
                test_loss=test.loss / test.words,
                test_accuracy=test.correct / test.words,
            )
            self.history.append(row)
            yield row

    def _learn(self, advance: Callable[[], None]) -> Score:
        score = Score()
        self.model.train()
        for chosen in torch.split(torch.randperm(len(self.train)), BATCH):
            frames = self.augment(self.train.frames[chosen]).float()
            labels = self.train.labels[chosen]
            logits = self.model(frames)
            loss = self.recipe.loss(logits, labels)
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            self.scheduler.step()
            score.add(loss.detach(), logits.detach(), labels)
            advance()
        return score

    @torch.no_grad()
    def _evaluate(self) -> Score:
        score = Score()
        self.model.eval()
        for chosen in torch.split(torch.arange(len(self.test)), EVALUATION_BATCH):
            labels = self.test.labels[chosen]
            logits = self.model(self.test.frames[chosen].float())
            score.add(self.recipe.loss(logits, labels), logits, labels)
        return score

    def save(self, path: Path, monitor: Monitor | None = None) -> None:
        """Write a checkpoint to `path`, for `torch.load(weights_only=True)`; an interruption keeps the old file intact.

        With a `monitor`, the checkpoint contains the evidence of the run, which `spikecheck diagnose` judges. Without
        evidence, `diagnose` builds the model with the factory named in the checkpoint.
        """
        faults = list(self.plan.faults)
        content: dict[str, Any] = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "rng": torch.get_rng_state(),
            "epoch": len(self.history),
            "seed": self.plan.seed,
            "epochs": self.plan.epochs,
            "faults": faults,
            "history": [asdict(row) for row in self.history],
            "factory": f"{__name__}:build_with" if faults else f"{build.__module__}:build",
            "arguments": {"faults": faults} if faults else {},
        }
        if monitor is not None:
            content["spikecheck"] = monitor.state_dict()
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".partial")
        torch.save(content, partial)
        os.replace(partial, path)

    def load(self, content: dict[str, Any]) -> None:
        """Restore weights, optimizer, schedule, random state and history from the `content` of a checkpoint."""
        self.model.load_state_dict(content["model"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.scheduler.load_state_dict(content["scheduler"])
        self.history = [Epoch(**row) for row in content["history"]]
        torch.set_rng_state(content["rng"])


def read_checkpoint(path: Path) -> tuple[Plan, dict[str, Any]]:
    """Read the checkpoint that `Run.save` wrote to `path`; return its plan and its content.

    Raises:
        SpikecheckError: the file does not exist, or is not a checkpoint of this training loop.
    """
    if not path.exists():
        raise SpikecheckError(f"nothing to resume: {path} does not exist; omit --resume to start a new run")
    try:
        content = torch.load(path, weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise SpikecheckError(f"{path} is not a checkpoint of `spikecheck train`: it cannot be read") from error
    if not isinstance(content, dict) or not {"epochs", "seed", "faults", "history", "rng"} <= content.keys():
        raise SpikecheckError(f"{path} is not a checkpoint of `spikecheck train`: entries are missing")
    return Plan(content["epochs"], content["seed"], tuple(content["faults"])), content
