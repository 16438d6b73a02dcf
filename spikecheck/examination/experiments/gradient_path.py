"""Follow the gradient to each weight, and move the weights that it does not reach."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

import torch
from torch import nn

from spikecheck.examination.experiments.base import Experiment, Measurement, NotApplicableError
from spikecheck.examination.gradients import gradients_of, loss_without_gradient
from spikecheck.examination.isolation import run_isolated
from spikecheck.examination.subject import Batch, Subject
from spikecheck.experiment_readings import GradientPathReading

BATCHES = 3


class GradientPath(Experiment):
    """Backward passes on three batches; each weight without a gradient is moved at random, and the loss compared.

    Only weights count that an optimizer holds and that have two axes or more: thresholds and the like may be without a
    gradient by design.
    """

    name: ClassVar = "gradient paths"
    needs: ClassVar = "loss_fn"
    cost: ClassVar = "3 updates, and 2 forward passes for each weight without a gradient"
    proves: ClassVar = "a weight that changes the loss and gets no gradient proves that the path back to it is cut"
    cannot_tell: ClassVar = "whether a gradient that arrives points in a useful direction"

    def run(self, subject: Subject) -> list[Measurement]:
        """Collect the gradients, and move what has none."""
        batches = subject.training[:BATCHES]
        passes = [run_isolated(partial(gradients_of, batch=batch), subject).get() for batch in batches]
        if subject.loss_fn is None:
            raise NotApplicableError("it needs loss_fn")
        shapes = {name: parameter.dim() for name, parameter in subject.model.named_parameters()}
        made = []
        for name in passes[0].by_name:
            if shapes[name] < 2:
                continue
            gradients = [one.by_name.get(name) for one in passes]
            is_none = all(gradient is None for gradient in gradients)
            is_zero = not is_none and not any(g is not None and bool(g.any()) for g in gradients)
            moved = 0.0
            if is_none:
                moved = run_isolated(partial(loss_moved_by, name=name, batch=batches[0]), subject).get()
            made.append(Measurement(GradientPathReading(moved, is_none, is_zero), name))
        if not made:
            raise NotApplicableError("the optimizer holds no weight of the model")
        return made

    def summarize(self, measurements: list[Measurement]) -> str:
        """Return which weights have no gradient."""
        none = [one.place for one in measurements if one.reading.is_none]
        zero = [one.place for one in measurements if one.reading.is_zero]
        parts = [f"no gradient reaches {', '.join(none)}"] if none else []
        parts += [f"the gradient of {', '.join(zero)} is 0"] if zero else []
        return "; ".join(parts) or f"a gradient reaches every weight of {len(measurements)}"


def loss_moved_by(subject: Subject, name: str, batch: Batch) -> float:
    """Return how far the loss moves, relative to itself, when random values are added to a parameter."""
    parameter: nn.Parameter = dict(subject.model.named_parameters())[name]
    subject.model.train()
    before = run_isolated(lambda own: loss_without_gradient(own, batch), subject).get()
    noise = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)).to(parameter)
    with torch.no_grad():
        parameter.add_(noise * parameter.square().mean().sqrt())
    after = loss_without_gradient(subject, batch)
    return abs(after - before) / max(abs(before), 1e-9)
