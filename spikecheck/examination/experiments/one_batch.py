"""Train on one batch again and again."""

from __future__ import annotations

from typing import ClassVar

from spikecheck.examination.experiments.base import Experiment, Measurement, Phase
from spikecheck.examination.subject import Subject, seed_everything
from spikecheck.experiment_readings import OneBatchReading
from spikecheck.number_format import number

UPDATES = 40


class OneBatch(Experiment):
    """One batch is trained on again and again. Its loss should approach 0: any network can learn one batch by heart."""

    name: ClassVar = "one batch"
    needs: ClassVar = "nothing"
    cost: ClassVar = "40 updates"
    proves: ClassVar = "a loss that falls far proves that gradients and optimizer work"
    cannot_tell: ClassVar = "the cause if it does not fall; strong regularization and a cold learning rate do that too"
    phase: ClassVar = Phase.SICK
    supports_only: ClassVar = True

    def run(self, subject: Subject) -> list[Measurement]:
        """Train on the first batch."""
        subject.model.train()
        seed_everything()
        losses = [subject.update(subject.training[0]) for _ in range(UPDATES)]
        return [Measurement(OneBatchReading(UPDATES, losses[0], losses[-1], min(losses)))]

    def summarize(self, measurements: list[Measurement]) -> str:
        """Return the first and the last loss."""
        reading: OneBatchReading = measurements[0].reading
        return (
            f"in {reading.updates} updates on one batch, its loss goes from {number(reading.first_loss)} "
            f"to {number(reading.last_loss)}"
        )
