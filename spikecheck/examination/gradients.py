"""The gradients that an optimizer receives for a batch, by the user's own step or by a plain loop."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import Optimizer, register_optimizer_step_pre_hook

from spikecheck.examination.experiments.base import NotApplicableError
from spikecheck.examination.subject import Batch, Subject, seed_everything

MAX_PASSES = 16  # of a step that accumulates gradients over several batches


@dataclass(frozen=True)
class Gradients:
    """The gradient of each parameter that an optimizer updates, by name; None where it has none."""

    by_name: dict[str, Tensor | None]


class _Recorder:
    """Notes the gradients of a model when an optimizer is about to use them.

    An optimizer that is given a closure, as L-BFGS is, gets them by calling it. Those of the first call count, since
    later ones belong to other weights.
    """

    def __init__(self, subject: Subject) -> None:
        self.names = {id(parameter): name for name, parameter in subject.model.named_parameters()}
        self.received: dict[str, Tensor | None] = {}

    def __call__(self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Note them now, or return arguments with a closure that notes them, as a hook of PyTorch may."""
        closure = kwargs.get("closure", args[1] if len(args) > 1 else None)
        if closure is None:
            self.note(optimizer)
            return None
        calls = itertools.count()

        def noted() -> Any:
            loss = closure()
            if next(calls) == 0:
                self.note(optimizer)
            return loss

        if "closure" in kwargs:
            return args, {**kwargs, "closure": noted}
        return (args[0], noted, *args[2:]), kwargs

    def note(self, optimizer: Optimizer) -> None:
        """Note the gradients of the parameters that an optimizer holds."""
        for parameter in (p for group in optimizer.param_groups for p in group["params"]):
            if id(parameter) in self.names:
                grad = parameter.grad
                self.received[self.names[id(parameter)]] = None if grad is None else grad.detach().to_dense().clone()


def gradients_of(subject: Subject, batch: Batch) -> Gradients:
    """Return the gradients for a batch in training mode; the copy is trained by it.

    Raises:
        NotApplicableError: the user's own step makes no update.
    """
    subject.model.train()
    seed_everything()
    record = _Recorder(subject)
    if subject.step is None:
        subject.gradients(batch)
        record.note(subject.optimizer)
        return Gradients(record.received)
    handle = register_optimizer_step_pre_hook(record)
    try:
        for _ in range(MAX_PASSES):
            subject.update(batch)
            if record.received:
                return Gradients(record.received)
    finally:
        handle.remove()
    raise NotApplicableError(f"the training step made no update in {MAX_PASSES} calls")


def loss_without_gradient(subject: Subject, batch: Batch) -> float:
    """Return the loss of a batch in training mode, with the same random numbers each time."""
    seed_everything()
    with torch.no_grad():
        return float(subject.loss(batch))
