"""Evaluate a trained copy in evaluation mode and in training mode."""

from __future__ import annotations

from typing import ClassVar

import torch

from spikecheck.examination.experiments.base import Experiment, Measurement, NotApplicableError, Phase
from spikecheck.examination.subject import Subject, seed_everything
from spikecheck.experiment_readings import EvaluationModeReading
from spikecheck.number_format import percentage


class EvaluationMode(Experiment):
    """A trained copy is evaluated on held-out batches in evaluation mode, and in training mode without gradients."""

    name: ClassVar = "evaluation mode"
    needs: ClassVar = "class indices as targets, two batches or more, and batch normalization or dropout"
    cost: ClassVar = "2 evaluations"
    proves: ClassVar = "a lower accuracy in evaluation mode proves that the running statistics do not fit"
    cannot_tell: ClassVar = "whether they would fit after more updates: they lag behind in every network"
    phase: ClassVar = Phase.TRAINED
    supports_only: ClassVar = True

    def run(self, subject: Subject) -> list[Measurement]:
        """Evaluate in both modes."""
        if not any(has_modes(module) for _, module in subject.model.named_modules()):
            raise NotApplicableError("no module works differently in evaluation mode")
        evaluation = subject.evaluate()
        if evaluation.accuracy is None:
            raise NotApplicableError("there is no accuracy on held-out batches")
        subject.model.train()
        seed_everything()
        with torch.no_grad():
            outputs = [subject.output(batch) for batch in subject.held_out]
        training = subject.evaluated(subject.held_out, outputs)
        return [Measurement(EvaluationModeReading(evaluation.accuracy, training.accuracy or 0.0))]

    def summarize(self, measurements: list[Measurement]) -> str:
        """Return both accuracies."""
        reading: EvaluationModeReading = measurements[0].reading
        return (
            f"{percentage(reading.accuracy)} right in evaluation mode, "
            f"{percentage(reading.training_mode_accuracy)} in training mode"
        )


def has_modes(module: torch.nn.Module) -> bool:
    """Return whether a module works differently in evaluation mode: it has a dropout rate or running statistics."""
    return getattr(module, "running_mean", None) is not None or "Dropout" in type(module).__name__
