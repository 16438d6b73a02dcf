"""A training run drawn at random from a seed: network, data, loss, optimizer and schedule."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from random import Random

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, OneCycleLR

from .data import Batch, Bursts
from .networks import IMAGE, LIBRARIES

TIMES = 3.0  # maximum ratio of the frequencies of two classes

Loss = Callable[[Tensor, Tensor], Tensor]


class TimeFirst(nn.Module):
    """A wrapper for a network that gets [step, batch, channel]."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        """Run the network on [step, batch, channel]."""
        out: Tensor = self.inner(x.transpose(0, 1))
        return out


@dataclass
class Recipe:
    """One training run; `words` describes what was drawn.

    Attributes:
        constant: loss of the best constant prediction, in nats or squared error.
        loss: maps logits and labels to the training loss.
        plain: maps logits and labels to the loss without label smoothing, comparable with `constant`.
        together: number of batches per update.
        halves: run the forward pass in bfloat16 under autocast.
        evaluate: number of batches between evaluations; 0 for none.
    """

    model: nn.Module
    data: Bursts
    constant: float
    loss: Loss
    plain: Loss
    optimizer: Optimizer
    schedule: LRScheduler | None
    clip: float | None
    together: int
    halves: bool
    time_first: bool
    evaluate: int
    words: dict[str, object]

    def updates(self) -> Iterator[Batch]:
        """Train batch by batch; yield the logits and labels of each."""
        self.model.train()
        for number, (x, y) in enumerate(self.data, 1):
            if (number - 1) % self.together == 0:
                self.optimizer.zero_grad()
            logits = self.logits(x)
            (self.loss(logits, y) / self.together).backward()  # type: ignore[no-untyped-call]
            if number % self.together == 0:
                self.step()
            if self.evaluate and number % self.evaluate == 0:
                self.run_evaluation(x)
            yield logits.detach(), y

    def logits(self, x: Tensor) -> Tensor:
        """Return the float32 logits for [batch, step, channel]."""
        with torch.autocast("cpu", torch.bfloat16) if self.halves else nullcontext():
            out: Tensor = self.model(x.transpose(0, 1) if self.time_first else x)
        return out.float()

    def step(self) -> None:
        """Make one update."""
        if self.clip is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
        self.optimizer.step()
        if self.schedule is not None:
            self.schedule.step()

    def run_evaluation(self, x: Tensor) -> None:
        """Run one forward pass in evaluation mode, as between two epochs."""
        self.model.eval()
        with torch.no_grad():
            self.logits(x)
        self.model.train()


def draw_recipe(seed: int) -> Recipe:
    """Return the run of a seed."""
    r = Random(seed)
    torch.manual_seed(seed)
    library = r.choice([*LIBRARIES])
    task = r.choice(["classes"] * 4 + ["counts", "numbers"])
    classes = r.choice([2, 5, 10, 20] if task == "counts" else [2, 5, 10, 20, 20, 50, 100])
    channels = IMAGE if library == "convolutional" else r.choice([40, 100])
    width, hidden = r.choice([32, 64]), r.choice([1, 2, 2, 3, 4])
    together, batches = r.choice([1, 1, 1, 2]), r.choice([72, 96, 120])
    data = Bursts(
        classes=classes,
        channels=channels,
        steps=r.choice([8, 12, 20]),
        batch=r.choice([8, 16, 32, 64]),
        batches=batches,
        kind=r.choice(["binary", "binary", "counts", "analog"]),
        prior=prior(r, classes),
        repeat=r.choice(["never"] * 6 + ["coded once", "recoded"]),
        seed=seed,
    )
    network = LIBRARIES[library](r, (channels, *(width,) * hidden, 2 if task == "numbers" else classes))
    time_first = r.random() < 0.4
    model = TimeFirst(network.model) if time_first else network.model
    loss, plain, constant = draw_loss(r, task, data.prior)
    optimizer, rate = draw_optimizer(r, model)
    updates = data.batches // together
    schedule = draw_schedule(r, optimizer, updates)
    recipe = Recipe(
        model,
        data,
        constant,
        loss,
        plain,
        optimizer,
        schedule,
        clip=r.choice([None, None, 1.0]),
        together=together,
        halves=r.random() < 0.15,
        time_first=time_first,
        evaluate=r.choice([0, 0, 20, 40]),
        words={
            "library": library,
            **network.words,
            "width": width,
            "hidden": hidden,
            "task": task,
            "optimizer": type(optimizer).__name__,
            "rate": rate,
            "schedule": type(schedule).__name__,
        },
    )
    for name in ("classes", "channels", "steps", "batch", "batches", "kind", "repeat"):
        recipe.words[name] = getattr(data, name)
    for name in ("clip", "together", "halves", "time_first", "evaluate"):
        recipe.words[name] = getattr(recipe, name)
    return recipe


def prior(r: Random, classes: int) -> tuple[float, ...]:
    """Draw class frequencies: equal, or mildly unequal."""
    weights = [TIMES ** r.random() for _ in range(classes)]
    if r.random() < 0.7:
        weights = [1.0] * classes
    return tuple(weight / sum(weights) for weight in weights)


def draw_loss(r: Random, task: str, shares: tuple[float, ...]) -> tuple[Loss, Loss, float]:
    """Draw the training loss; also return the plain loss and that of the best constant prediction."""
    classes = len(shares)
    if task == "counts":
        wanted: Loss = lambda out, y: F.mse_loss(out, F.one_hot(y, classes).float())  # noqa: E731
        return wanted, wanted, sum(p * (1 - p) for p in shares) / classes
    if task == "numbers":
        angles = torch.arange(classes) * math.tau / classes
        points = torch.stack([angles.sin(), angles.cos()], 1)
        mean = (points * torch.tensor(shares)[:, None]).sum(0)
        error: Loss = lambda out, y: F.mse_loss(out, points[y])  # noqa: E731
        return error, error, float(((points - mean).square().mean(1) * torch.tensor(shares)).sum())
    plain: Loss = F.cross_entropy
    smooth = r.choice([0.0, 0.0, 0.1])
    usual: Loss = lambda out, y: F.cross_entropy(out, y, label_smoothing=smooth)  # noqa: E731
    likelihood: Loss = lambda out, y: F.nll_loss(out.log_softmax(-1), y)  # noqa: E731
    loss = likelihood if r.random() < 0.2 else usual
    return loss, plain, -sum(p * math.log(p) for p in shares)


def draw_optimizer(r: Random, model: nn.Module) -> tuple[Optimizer, float]:
    """Draw an optimizer of all parameters; also return its learning rate."""
    rate = r.choice([2e-3, 5e-3, 1e-2])
    kind = r.choice(["Adam", "Adam", "AdamW", "SGD", "Adamax"])
    parameters = model.parameters()
    if kind == "SGD":
        rate *= 10
        return torch.optim.SGD(parameters, lr=rate, momentum=0.9), rate
    made: type[Optimizer] = getattr(torch.optim, kind)
    return made(parameters, lr=rate), rate  # type: ignore[call-arg]


def draw_schedule(r: Random, optimizer: Optimizer, updates: int) -> LRScheduler | None:
    """Draw a schedule over the whole run, or none."""
    kind = r.choice(["none", "none", "cosine", "cycle"])
    if kind == "cosine":
        return CosineAnnealingLR(optimizer, updates)
    if kind == "cycle" and type(optimizer) is not torch.optim.Adamax:
        top = 2 * optimizer.param_groups[0]["lr"]
        return OneCycleLR(optimizer, max_lr=top, total_steps=updates + 1)
    return None
