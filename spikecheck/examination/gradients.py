"""The gradients that an optimizer receives for a batch, by the user's own step or by a plain loop."""

from __future__ import annotations

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
    """Notes the gradients of a model when an optimizer is about to use them."""

    def __init__(self, subject: Subject) -> None:
        self.names = {id(parameter): name for name, parameter in subject.model.named_parameters()}
        self.received: dict[str, Tensor | None] = {}

    def __call__(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        """Note them."""
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
        record(subject.optimizer, None, None)
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
