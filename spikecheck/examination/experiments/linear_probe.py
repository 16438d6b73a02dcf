"""Fit a linear map from the input to the classes."""

from __future__ import annotations

from typing import ClassVar

from spikecheck.examination.experiments.base import Experiment, Measurement, NotApplicableError
from spikecheck.examination.experiments.changed_sample import sample_axis
from spikecheck.examination.linear import probe
from spikecheck.examination.significance import chance
from spikecheck.examination.subject import Subject
from spikecheck.experiment_readings import LinearProbeReading
from spikecheck.number_format import percentage
from spikecheck.report.treated import MAX_P


class LinearProbe(Experiment):
    """A linear map is fitted from the input to the classes, by ridge regression, and tried on held-out batches."""

    name: ClassVar = "linear probe"
    needs: ClassVar = "class indices as targets, and two batches or more"
    cost: ClassVar = "no forward pass"
    proves: ClassVar = "a success proves that the labels depend on the inputs: the data can be learned"
    cannot_tell: ClassVar = "anything if it fails: the relation need not be linear"

    def run(self, subject: Subject) -> list[Measurement]:
        """Fit, and predict what was held out."""
        if any(batch.labels is None for batch in subject.batches):
            raise NotApplicableError("the targets are no class indices")
        if not subject.held_out:
            raise NotApplicableError("there is only one batch")
        correct, majority = probe(subject.training, subject.held_out, sample_axis(subject, subject.training[0]))
        succeeded = chance(correct, majority) < MAX_P
        reading = LinearProbeReading(sum(correct) / len(correct), majority, len(correct), succeeded)
        return [Measurement(reading)]

    def summarize(self, measurements: list[Measurement]) -> str:
        """Return the accuracy, and what it says."""
        reading: LinearProbeReading = measurements[0].reading
        text = f"{percentage(reading.accuracy)} right, the most frequent class is {percentage(reading.majority)}"
        return f"{text}: {'the labels follow from the inputs' if reading.succeeded else 'this proves nothing'}"
