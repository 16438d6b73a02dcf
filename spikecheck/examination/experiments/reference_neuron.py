"""Let all spiking layers compute with a reference neuron, and see whether the network learns then."""

from __future__ import annotations

from typing import ClassVar

from spikecheck.examination.experiments.base import Experiment, Measurement, NotApplicableError, Phase
from spikecheck.examination.isolation import run_isolated
from spikecheck.examination.reference_neurons import replace_neurons
from spikecheck.examination.significance import sign_test
from spikecheck.examination.subject import Evaluation, Subject
from spikecheck.experiment_readings import ReferenceNeuronReading
from spikecheck.number_format import percentage

UPDATES = 40


class ReferenceNeuron(Experiment):
    """All spiking layers are replaced by a leaky neuron that is known to work, and both copies make the same updates.

    It has a decay of 0.9, a threshold of 1, a broad surrogate gradient, and starts each forward pass from rest. Its
    input current is scaled so that the potential fluctuates around the threshold.
    """

    name: ClassVar = "reference neuron"
    needs: ClassVar = "spiking layers whose input current is known, class indices as targets, two batches or more"
    cost: ClassVar = "80 updates, and a forward pass per layer"
    proves: ClassVar = "a network that learns with it alone has its fault in the neurons: surrogate, decay, threshold, "
    proves += "reset, state, or the scale of their input"
    cannot_tell: ClassVar = "which property of the neurons it is; it helps some healthy networks that start slowly"
    phase: ClassVar = Phase.SICK
    seconds: ClassVar = 20.0
    supports_only: ClassVar = True

    def run(self, subject: Subject) -> list[Measurement]:
        """Train a copy as it is and one with the reference neuron, and compare what they predict."""
        layers, replaced = run_isolated(trained_with_reference, subject).get()
        own = run_isolated(trained, subject).get()
        if own.correct is None or replaced.correct is None:
            raise NotApplicableError("there is no accuracy on held-out batches")
        reading = ReferenceNeuronReading(
            UPDATES,
            layers,
            own.accuracy or 0.0,
            replaced.accuracy or 0.0,
            own.majority,
            sign_test(own.correct, replaced.correct),
        )
        return [Measurement(reading)]

    def summarize(self, measurements: list[Measurement]) -> str:
        """Return both accuracies."""
        reading: ReferenceNeuronReading = measurements[0].reading
        return (
            f"after {reading.updates} updates, {percentage(reading.accuracy)} right as it is, "
            f"{percentage(reading.reference_accuracy)} with the reference neuron; "
            f"the most frequent class is {percentage(reading.majority)}"
        )


def trained(subject: Subject) -> Evaluation:
    """Train, and evaluate."""
    subject.train(UPDATES)
    return subject.evaluate()


def trained_with_reference(subject: Subject) -> tuple[int, Evaluation]:
    """Replace the neurons, train, and evaluate; return the number of layers that were replaced."""
    layers = replace_neurons(subject)
    return layers, trained(subject)
