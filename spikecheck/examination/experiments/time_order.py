"""Put the time steps of held-out batches in random order, and evaluate a trained copy."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from spikecheck.examination.experiments.base import Experiment, Measurement, NotApplicableError, Phase
from spikecheck.examination.forward_pass import fresh_observation
from spikecheck.examination.subject import Subject, seed_everything
from spikecheck.experiment_readings import TimeOrderReading
from spikecheck.number_format import percentage


class TimeOrder(Experiment):
    """A trained copy is evaluated on held-out batches with shuffled time steps, and with their mean in each step."""

    name: ClassVar = "time steps shuffled"
    needs: ClassVar = "class indices as targets, an input with a known time axis, and two batches or more"
    cost: ClassVar = "3 evaluations"
    proves: ClassVar = "a lower accuracy proves that the network uses the order of time steps"
    cannot_tell: ClassVar = "whether it should: many data sets can be classified by counts alone"
    phase: ClassVar = Phase.TRAINED
    supports_only: ClassVar = True

    def run(self, subject: Subject) -> list[Measurement]:
        """Evaluate three times."""
        plain = subject.evaluate().accuracy
        if plain is None:
            raise NotApplicableError("there is no accuracy on held-out batches")
        axis = fresh_observation(subject, subject.training[0]).axes.time
        if axis is None or subject.training[0].first.shape[axis] < 2:
            raise NotApplicableError("the time axis of the input is not known")
        seed_everything()
        shuffled = subject.evaluate([batch.with_first(shuffle(batch.first, axis)) for batch in subject.held_out])
        summed = subject.evaluate([batch.with_first(spread(batch.first, axis)) for batch in subject.held_out])
        reading = TimeOrderReading(plain, shuffled.accuracy or 0.0, summed.accuracy or 0.0)
        return [Measurement(reading)]

    def summarize(self, measurements: list[Measurement]) -> str:
        """Return the three accuracies."""
        reading: TimeOrderReading = measurements[0].reading
        return (
            f"{percentage(reading.accuracy)} right, {percentage(reading.shuffled_accuracy)} with shuffled time steps, "
            f"{percentage(reading.summed_accuracy)} with the mean in each"
        )


def shuffle(x: Tensor, axis: int) -> Tensor:
    """Return a tensor with its entries along an axis in random order."""
    return x.index_select(axis, torch.randperm(x.shape[axis]).to(x.device))


def spread(x: Tensor, axis: int) -> Tensor:
    """Return a tensor with its mean over an axis in each entry."""
    return x.float().mean(axis, keepdim=True).expand_as(x).to(x.dtype) if x.is_floating_point() else shuffle(x, axis)
