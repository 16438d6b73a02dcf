"""Replace the last time steps, and compare what happened before them."""

from __future__ import annotations

from typing import ClassVar

import torch

from spikecheck.assertions.behavior import differences, sized, timed, with_slice
from spikecheck.assertions.watched import Observed
from spikecheck.examination.experiments.base import Experiment, Measurement, NotApplicableError
from spikecheck.examination.forward_pass import fresh_observation
from spikecheck.examination.subject import Subject
from spikecheck.experiment_readings import LateStepReading

CHANGED_SHARE = 0.25  # judgment call


class LateStep(Experiment):
    """The last quarter of the time steps is replaced, in evaluation mode. Spikes before them must stay.

    Compared are layers that have as many time steps as the input, and an output that has them.
    """

    name: ClassVar = "late steps changed"
    needs: ClassVar = "an input with a known time axis"
    cost: ClassVar = "2 forward passes"
    proves: ClassVar = "an earlier spike that changes proves that a layer sees the future"
    cannot_tell: ClassVar = "whether that is intended, as for parallel neurons and bidirectional layers"
    supports_only: ClassVar = True

    def run(self, subject: Subject) -> list[Measurement]:
        """Compare the spikes of the earlier time steps."""
        batch = subject.training[0]
        before = fresh_observation(subject, batch)
        axis = before.axes.time
        if axis is None:
            raise NotApplicableError("the time axis of the input is not known")
        steps = before.first.shape[axis]
        first = steps - max(1, int(CHANGED_SHARE * steps))
        compared = compared_places(before, steps)
        if steps <= 1 or first < 1 or not compared:
            raise NotApplicableError("nothing has the time steps of the input")
        changed = with_slice(before, axis, list(range(first, steps)), torch.zeros_like)
        after = fresh_observation(subject, batch.with_inputs(*changed[:-1]))
        rows = differences(before, after, lambda layout: layout.time, list(range(first)), steps)
        places = tuple(name.partition(", first at")[0] for name, _ in rows)
        return [Measurement(LateStepReading(steps, first, compared, places))]

    def summarize(self, measurements: list[Measurement]) -> str:
        """Return whether earlier values changed."""
        reading: LateStepReading = measurements[0].reading
        if not reading.changed_places:
            return f"what happens before time step {reading.first_changed_step} stays"
        return f"{', '.join(reading.changed_places)}: values before time step {reading.first_changed_step} change"


def compared_places(observed: Observed, steps: int) -> tuple[str, ...]:
    """Return the names of what has the time steps of the input."""
    layers = [f"spikes of {shown.name}" for shown in observed.layers if sized(shown, steps)]
    return (*layers, *(["output"] if timed(observed, steps) is not None else []))
