"""Follow the gradient of each output back to each input channel."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from spikecheck.assertions.watched import tensors_of
from spikecheck.examination.experiments.base import Experiment, Measurement, NotApplicableError, Phase
from spikecheck.examination.subject import Subject, seed_everything
from spikecheck.experiment_readings import InputPathReading

MAX_OUTPUTS = 32


class InputPath(Experiment):
    """The gradient of each output with respect to each input channel, after some updates, for one batch.

    An output is what lies along the last axis of what the model returns, a channel along the last axis of the input.
    """

    name: ClassVar = "paths to the input"
    needs: ClassVar = "a floating-point input"
    cost: ClassVar = "1 forward pass, and a backward pass per output, at most 32"
    proves: ClassVar = "an output without a gradient to any channel cannot be learned from the input"
    cannot_tell: ClassVar = "why: a silent layer, a surrogate gradient that is 0 far from the threshold, a cut graph"
    phase: ClassVar = Phase.TRAINED
    supports_only: ClassVar = True

    def run(self, subject: Subject) -> list[Measurement]:
        """Count the outputs and the channels without any gradient."""
        batch = subject.training[0]
        if not batch.first.is_floating_point():
            raise NotApplicableError("the input holds whole numbers, which have no gradient")
        x = batch.first.detach().clone().requires_grad_()
        subject.model.train()
        seed_everything()
        output = subject.output(batch.with_first(x))
        shown = next((t for t in tensors_of(output) if t.is_floating_point() and t.dim()), None)
        if shown is None or not shown.requires_grad:
            raise NotApplicableError("the output has no graph")
        reached = [reaches(one.sum(), x) for one in shown.unbind(-1)[:MAX_OUTPUTS]]
        channels = torch.stack(reached).any(0)
        dead_outputs = sum(not bool(one.any()) for one in reached)
        reading = InputPathReading(len(reached), dead_outputs, len(channels), int((~channels).sum()))
        return [Measurement(reading)]

    def summarize(self, measurements: list[Measurement]) -> str:
        """Return how many outputs and channels have no path."""
        reading: InputPathReading = measurements[0].reading
        if not reading.dead_outputs and not reading.dead_channels:
            return "every output has a gradient to the input, and every channel gets one"
        return (
            f"{reading.dead_outputs} of {reading.outputs} outputs have no gradient to the input; "
            f"{reading.dead_channels} of {reading.channels} channels get none"
        )


def reaches(score: Tensor, x: Tensor) -> Tensor:
    """Return for each channel of the input whether a score has a gradient there."""
    (gradient,) = torch.autograd.grad(score, x, retain_graph=True, allow_unused=True, materialize_grads=True)
    return (gradient != 0).reshape(-1, x.shape[-1]).any(0)
