"""Labels that count from 0."""

from __future__ import annotations

from spikecheck.examination.treatments.base import NotApplicableError, Patient, Treatment
from spikecheck.finding import Fix


class ShiftedLabels(Treatment):
    """Count the classes from 0 instead of 1."""

    name = "labels from 0"
    named_by = ("SPK306",)

    def apply(self, patient: Patient) -> Fix:
        """Change the targets."""
        subject = patient.subject
        labels = [batch.labels for batch in subject.batches]
        known = [one for one in labels if one is not None]
        if len(known) < len(labels) or min(int(one.min()) for one in known) < 1:
            raise NotApplicableError("a label is 0 already")
        subject.batches = tuple(batch.with_targets(batch.targets - 1) for batch in subject.batches)
        return Fix("# before the loss is computed\ny = y - 1")
