"""Compare each weight's gradient with the slope of a smoothed loss, layer by layer."""

from __future__ import annotations

import math
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from spikecheck.examination.experiments.base import Experiment, Measurement, NotApplicableError
from spikecheck.examination.gradients import gradients_of, loss_without_gradient
from spikecheck.examination.isolation import run_isolated
from spikecheck.examination.subject import Batch, Subject
from spikecheck.experiment_readings import SlopeReading
from spikecheck.number_format import number

BATCHES = 4
DRAWS = 2  # random changes of the weight per batch, over which the loss is averaged
STEP = 0.03  # of the weight's norm: judgment call, large enough for some spikes to appear and disappear
NOISE = 0.02  # of the weight's root mean square
MAX_WEIGHTS = 8


class SmoothedSlope(Experiment):
    """Each weight is moved along its gradient and against it, on several batches, with small random changes.

    Spikes jump from 0 to 1, so that the loss of a single network has no slope. Averaged over random changes of the
    weights it has one, and a surrogate gradient should point the same way.
    """

    name: ClassVar = "smoothed slope"
    needs: ClassVar = "loss_fn"
    cost: ClassVar = "4 updates, and 16 forward passes per weight"
    proves: ClassVar = "a loss that rises against the gradient proves that the surrogate gradient misleads"
    cannot_tell: ClassVar = "whether another surrogate gradient would be better"
    seconds: ClassVar = 15.0

    def run(self, subject: Subject) -> list[Measurement]:
        """Measure the slope along the gradient of each weight."""
        if subject.loss_fn is None:
            raise NotApplicableError("it needs loss_fn")
        batches = subject.training[:BATCHES]
        passes = [run_isolated(partial(gradients_of, batch=batch), subject).get() for batch in batches]
        made: list[Measurement] = []
        for name, parameter in list(subject.model.named_parameters()):
            gradients = [one.by_name.get(name) for one in passes]
            usable = [g for g in gradients if g is not None and bool(g.any()) and bool(torch.isfinite(g).all())]
            is_movable = parameter.dim() > 1 and bool(parameter.any())  # by a share of its norm
            if not is_movable or len(usable) < len(batches) or len(made) >= MAX_WEIGHTS:
                continue
            along = partial(slopes_along, name=name, batches=batches, gradients=usable)
            slopes = run_isolated(along, subject).get()
            made.append(Measurement(summarized(slopes, usable), name))
        if not made:
            raise NotApplicableError("no weight that is not 0 has a finite gradient in every batch")
        return made

    def summarize(self, measurements: list[Measurement]) -> str:
        """Return the ratios of both slopes."""
        ratios = (f"{one.place} {number(one.reading.measured / one.reading.backward)}" for one in measurements)
        return f"measured slope, as a multiple of that of the backward pass: {', '.join(ratios)}"


def slopes_along(subject: Subject, name: str, batches: tuple[Batch, ...], gradients: list[Tensor]) -> list[float]:
    """Return the measured slope of the loss along a weight's gradient, for each batch and random change."""
    parameter = dict(subject.model.named_parameters())[name]
    original = parameter.detach().clone()
    size, rms = float(original.norm()), float(original.square().mean().sqrt())
    generator = torch.Generator().manual_seed(0)
    subject.model.train()
    slopes = []
    for batch, gradient in zip(batches, gradients, strict=True):
        direction = (gradient / gradient.norm()).to(original)
        for _ in range(DRAWS):
            noise = NOISE * rms * torch.randn(original.shape, generator=generator).to(original)
            losses = []
            for sign in (1.0, -1.0):
                with torch.no_grad():
                    parameter.copy_(original + noise + sign * STEP * size * direction)
                losses.append(loss_without_gradient(subject, batch))
            slopes.append((losses[0] - losses[1]) / (2 * STEP * size))
    return slopes


def summarized(slopes: list[float], gradients: list[Tensor]) -> SlopeReading:
    """Return the mean slope with its error, beside the one of the backward pass."""
    mean = sum(slopes) / len(slopes)
    variance = sum((slope - mean) ** 2 for slope in slopes) / max(1, len(slopes) - 1)
    backward = sum(float(gradient.norm()) for gradient in gradients) / len(gradients)
    return SlopeReading(backward, mean, math.sqrt(variance / len(slopes)), len(gradients))
