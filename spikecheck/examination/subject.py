"""What is examined: a model with its batches, loss and optimizer; how to make one update, evaluate and predict.

A trial is a function of a subject, run by `spikecheck.examination.isolation.run_isolated`. It may change whatever it
likes, since the user's objects are not changed by it:

    def binarize_and_train(subject):
        subject.batches = tuple(batch.with_inputs((batch.first > 0).float()) for batch in subject.batches)
        losses = subject.train(40)                  # model, loss and optimizer may be changed in the same way
        return losses, subject.evaluate()

    result = run_isolated(binarize_and_train, subject, seconds=20)
"""

from __future__ import annotations

import itertools
import math
import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.optimizer import Optimizer

from spikecheck.assertions.watched import first_tensor, tensors_of, type_name
from spikecheck.errors import SpikecheckError
from spikecheck.examination.reset import reset

Loss = Callable[[Any, Any], Tensor]
Step = Callable[..., Any]
Forward = Callable[..., Any]

MAX_BATCHES = 48  # judgment call: 36 of them to train with, of a size that a laptop's memory holds
HELD_OUT_SAMPLES = 256  # measured: enough to tell a network that learned from one that did not, at p < 0.01
MAX_HELD_OUT_SHARE = 0.25
LEARNED = 0.05  # judgment call: of the first loss, which is then 20 times what is left of it
DEFAULT_RATE = 1e-3  # of Adam, its own default, where the user has no optimizer
SEED = 0
INPUT_NAMES = ("x", "inputs", "input", "frames", "spikes", "data", "images")
TARGET_NAMES = ("y", "labels", "label", "targets", "target")


class OutOfTimeError(Exception):
    """A trial has used up its time."""


@dataclass(frozen=True)
class Batch:
    """What the model is called with, the targets (None without any), and the batch as the user's loader gives it."""

    inputs: tuple[Any, ...]
    targets: Any
    raw: Any

    @classmethod
    def of(cls, raw: Any) -> Batch:
        """Return a batch of a loader: a tensor, (inputs, targets), (input, another input, targets), or a mapping.

        Raises:
            SpikecheckError: it is none of these.
        """
        if isinstance(raw, Tensor):
            return cls((raw,), None, raw)
        if isinstance(raw, Mapping):
            return cls(*of_mapping(raw), raw)
        if isinstance(raw, tuple | list) and any(isinstance(part, Tensor) for part in raw):
            return cls(tuple(raw[:-1]), raw[-1], raw) if len(raw) > 1 else cls(tuple(raw), None, raw)
        raise SpikecheckError(
            f"a batch must be a tensor, (inputs, targets), or a dict with 'x' and 'y'; got {type_name(raw)}"
        )

    def with_inputs(self, *inputs: Any) -> Batch:
        """Return the batch with other inputs, also for a step that takes it as the loader gives it."""
        if isinstance(self.raw, Mapping):
            name = next(name for name, value in self.raw.items() if value is self.inputs[0])
            return Batch(inputs, self.targets, {**self.raw, name: inputs[0]})
        return Batch(inputs, self.targets, inputs[0] if isinstance(self.raw, Tensor) else (*inputs, self.targets))

    def with_first(self, first: Tensor) -> Batch:
        """Return the batch with another tensor in the place of the first one."""
        return self.with_inputs(*(first if part is self.first else part for part in self.inputs))

    def with_targets(self, targets: Any) -> Batch:
        """Return the batch with other targets."""
        if isinstance(self.raw, Mapping):
            name = next(name for name, value in self.raw.items() if value is self.targets)
            return Batch(self.inputs, targets, {**self.raw, name: targets})
        return Batch(self.inputs, targets, (*self.inputs, targets))

    @property
    def first(self) -> Tensor:
        """The first tensor that the model is called with."""
        return first_tensor(self.inputs)

    @property
    def labels(self) -> Tensor | None:
        """The class index of each sample; None where the targets are something else."""
        y = self.targets
        return y if isinstance(y, Tensor) and y.dim() == 1 and not y.is_floating_point() else None

    @property
    def samples(self) -> int:
        """The number of samples: as many as there are labels, else the length of the first axis of the targets."""
        target = self.targets if isinstance(self.targets, Tensor) and self.targets.dim() else self.first
        return len(target)


def of_mapping(raw: Mapping[Any, Any]) -> tuple[tuple[Any, ...], Any]:
    """Return inputs and targets of a batch that is a mapping, by their names."""
    lower = {str(name).lower(): value for name, value in raw.items()}
    x = next((lower[name] for name in INPUT_NAMES if isinstance(lower.get(name), Tensor)), None)
    y = next((lower[name] for name in TARGET_NAMES if isinstance(lower.get(name), Tensor)), None)
    if x is None:
        raise SpikecheckError(f"a batch that is a dict needs its input under 'x' or 'input'; it has {', '.join(lower)}")
    return (x,), y


def without_graph(raw: Any) -> Any:
    """Return a batch without the graph that made it, as of an encoder with weights.

    A batch is used many times, and a backward pass goes through a graph only once.
    """
    if all(tensor.is_leaf for tensor in tensors_of(raw)):
        return raw
    if isinstance(raw, Tensor):
        return raw.detach()
    if isinstance(raw, Mapping):
        return {name: without_graph(part) for name, part in raw.items()}
    return tuple(map(without_graph, raw))


@dataclass(frozen=True)
class Evaluation:
    """How a model does on batches, in evaluation mode and without gradients.

    `losses` has one number per batch; `correct` says for each sample whether its class was predicted, and is None
    where the targets are no class indices or the output has no score per class. `majority` is the share of the most
    frequent class.
    """

    losses: tuple[float, ...]
    correct: tuple[bool, ...] | None = None
    majority: float = 1.0

    @property
    def loss(self) -> float:
        """The mean loss; NaN without any."""
        return sum(self.losses) / len(self.losses) if self.losses else math.nan

    @property
    def accuracy(self) -> float | None:
        """The share of samples that were predicted right."""
        return sum(self.correct) / len(self.correct) if self.correct else None


@dataclass
class Subject:
    """What is examined. A trial gets a copy of its own, and may replace any part of it.

    Attributes:
        model: the network; in a trial, changing it does not change the user's.
        batches: to train with and to hold out: see `training` and `held_out`.
        loss_fn: called with the model's output and the targets.
        optimizer: holds the parameters of the model.
        step: the user's own training step, called with the parts of a batch as `for x, y in loader: step(x, y)`
            would; it returns the loss. Without it, updates are those of a plain loop.
        forward: what calls the model, where that takes more than `model(*inputs)`.
        resets: whether `output` resets the layers first, as the loop would that was not passed: see `keeps_state`.
        deadline: of `time.monotonic`, after which `update`, `output` and `train` raise OutOfTimeError.
    """

    model: nn.Module
    batches: tuple[Batch, ...]
    loss_fn: Loss | None
    optimizer: Optimizer
    step: Step | None = None
    forward: Forward | None = None
    deadline: float = math.inf
    resets: bool = False

    @classmethod
    def of(
        cls,
        model: nn.Module,
        batches: Sequence[Any],
        loss_fn: Loss | None,
        optimizer: Optimizer | None = None,
        *,
        step: Step | None = None,
        forward: Forward | None = None,
    ) -> Subject:
        """Return the subject for arguments of a user.

        Raises:
            SpikecheckError: an argument cannot be used.
        """
        if not isinstance(model, nn.Module):
            raise SpikecheckError(f"examine() needs a torch.nn.Module, got {type_name(model)}: pass the model itself")
        for name, value in (("loss_fn", loss_fn), ("step", step), ("forward", forward)):
            if value is not None and not callable(value):
                raise SpikecheckError(f"{name}= takes a function, got {type_name(value)}")
        if loss_fn is None and step is None:
            raise SpikecheckError("examine() needs loss_fn, called as loss_fn(output, targets), or step=")
        trained = [parameter for _, parameter in model.named_parameters() if parameter.requires_grad]
        if optimizer is None and not trained:
            raise SpikecheckError("the model has no trainable parameter (requires_grad=True)")
        if optimizer is not None and not isinstance(optimizer, Optimizer):
            raise SpikecheckError(f"optimizer= takes a torch.optim.Optimizer, got {type_name(optimizer)}")
        made = tuple(Batch.of(without_graph(raw)) for raw in batches)
        if not made:
            raise SpikecheckError("examine() needs batches=, and there is none")
        if loss_fn is not None and step is None and made[0].targets is None:
            raise SpikecheckError("a loss needs targets: pass batches of (inputs, targets), as of a DataLoader")
        return cls(model, made, loss_fn, optimizer or torch.optim.Adam(trained, lr=DEFAULT_RATE), step, forward)

    # -- the batches

    @property
    def training(self) -> tuple[Batch, ...]:
        """The batches to train with: all that are not held out."""
        return self.batches[: len(self.batches) - held_out_count(self.batches)]

    @property
    def held_out(self) -> tuple[Batch, ...]:
        """The last batches, with at least 256 samples where a quarter of all has them; none if there is only one."""
        return self.batches[len(self.batches) - held_out_count(self.batches) :]

    def cycle(self, updates: int) -> Iterator[Batch]:
        """Yield the batches of so many updates: those to train with, again from the first where they are used up."""
        return itertools.islice(itertools.cycle(self.training), updates)

    # -- what is done with them

    def output(self, batch: Batch) -> Any:
        """Return what the model returns for a batch."""
        self.require_time()
        if self.resets:
            reset(self.model)
        return self.model(*batch.inputs) if self.forward is None else self.forward(*batch.inputs)

    def loss(self, batch: Batch) -> Tensor:
        """Return the loss of a batch, with its graph."""
        if self.loss_fn is None:
            raise SpikecheckError("this needs loss_fn, called as loss_fn(output, targets)")
        loss = self.loss_fn(self.output(batch), batch.targets)
        if not isinstance(loss, Tensor) or loss.numel() != 1:
            returned = f"shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type_name(loss)
            raise SpikecheckError(f"loss_fn(output, targets) must return a tensor with one element, got {returned}")
        return loss

    def update(self, batch: Batch, *, plain: bool = False) -> float:
        """Make one update of the optimizer, by the user's own step unless `plain`, and return the loss."""
        self.require_time()
        if self.step is not None and not plain:
            raw = batch.raw
            returned = self.step(*raw) if isinstance(raw, tuple | list) else self.step(raw)
            return loss_value(returned)
        if isinstance(self.optimizer, torch.optim.LBFGS):
            return loss_value(self.optimizer.step(lambda: self.gradients(batch)))  # type: ignore[no-untyped-call]
        loss = self.gradients(batch)
        self.optimizer.step()
        return float(loss.detach())

    def gradients(self, batch: Batch) -> Tensor:
        """Compute the gradients of a batch, in the place of any others, and return the loss."""
        self.optimizer.zero_grad()
        loss = self.loss(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    def train(self, updates: int, *, plain: bool = False) -> list[float]:
        """Make updates in training mode, always with the same random numbers; return the loss of each."""
        self.model.train()
        seed_everything()
        return [self.update(batch, plain=plain) for batch in self.cycle(updates)]

    def has_learned(self, losses: Sequence[float]) -> bool:
        """Return whether updates with these losses leave nothing to learn: low losses in a whole pass of the batches.

        What comes of training on is no fault of the script: L-BFGS, for one, may diverge.
        """
        batches = len(self.training)
        return len(losses) > batches and 0 <= sum(losses[-batches:]) < LEARNED * batches * losses[0]

    def evaluate(self, batches: Iterable[Batch] | None = None) -> Evaluation:
        """Evaluate the model on the batches that are held out, or on others, in evaluation mode."""
        chosen = self.held_out if batches is None else tuple(batches)
        modes = {module: module.training for _, module in self.model.named_modules()}
        self.model.eval()
        try:
            with torch.no_grad():
                outputs = (self.output(batch) for batch in chosen)  # each loss follows its own forward pass
                return self.evaluated(chosen, outputs)
        finally:
            for module, mode in modes.items():
                module.training = mode

    def evaluated(self, batches: Sequence[Batch], outputs: Iterable[Any]) -> Evaluation:
        """Return the evaluation of outputs."""
        losses: list[float] = []
        correct: list[bool] = []
        labels: list[int] = []
        for batch, output in zip(batches, outputs, strict=True):
            if self.loss_fn is not None and batch.targets is not None:
                losses.append(float(self.loss_fn(output, batch.targets)))
            scores, right = class_scores(output, batch.labels), batch.labels
            if scores is not None and right is not None:
                correct += (scores.argmax(-1) == right.to(scores.device)).tolist()
                labels += right.tolist()
        if len(labels) < sum(batch.samples for batch in batches):
            return Evaluation(tuple(losses))
        majority = max(map(labels.count, set(labels))) / len(labels) if labels else 1.0
        return Evaluation(tuple(losses), tuple(correct) or None, majority)

    def require_time(self) -> None:
        """Raise OutOfTimeError after the deadline."""
        if time.monotonic() > self.deadline:
            raise OutOfTimeError("the time of this trial is used up")


def held_out_count(batches: Sequence[Batch]) -> int:
    """Return how many batches, the last ones, are held out."""
    most, samples = math.ceil(MAX_HELD_OUT_SHARE * len(batches)) if len(batches) > 1 else 0, 0
    for count, batch in enumerate(reversed(batches[len(batches) - most :]), 1):
        samples += batch.samples
        if samples >= HELD_OUT_SAMPLES:
            return count
    return most


def class_scores(output: Any, labels: Tensor | None) -> Tensor | None:
    """Return a score per sample and class: the first floating-point tensor, summed over time where it has time.

    None where there is no such tensor, or it has fewer classes than the labels.
    """
    if labels is None or not len(labels):
        return None
    shown = next((t for t in tensors_of(output) if t.is_floating_point()), None)
    if shown is None:
        return None
    if shown.dim() == 3:
        time_axis = 0 if shown.shape[1] == len(labels) else 1
        shown = shown.float().sum(time_axis)
    if shown.dim() != 2 or len(shown) != len(labels) or shown.shape[1] <= int(labels.max()):
        return None
    return torch.nan_to_num(shown.detach().float())


def loss_value(returned: Any) -> float:
    """Return the loss in what a training step returned: a number, or the first one of a tuple or of a dict's 'loss'.

    Raises:
        SpikecheckError: there is none.
    """
    if isinstance(returned, Mapping):
        returned = returned.get("loss")
    if isinstance(returned, tuple | list) and returned:
        returned = returned[0]
    if isinstance(returned, Tensor) and returned.numel() == 1:
        return float(returned.detach())
    if isinstance(returned, int | float):
        return float(returned)
    raise SpikecheckError(
        f"step= must return the loss, a number or a tensor with one element; got {type_name(returned)}"
    )


def seed_everything(seed: int = SEED) -> None:
    """Set the random numbers of torch, numpy and Python: two trials differ by what is changed in them alone."""
    torch.manual_seed(seed)
    random.seed(seed)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(seed)
