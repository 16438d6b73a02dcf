"""Outputs and targets of one shape."""

from __future__ import annotations

from torch import Tensor

from spikecheck.examination.treatments.base import NotApplicableError, Patient, Treatment
from spikecheck.finding import Fix


class AlignedShapes(Treatment):
    """Give the output the shape of the targets before the loss is computed, so that each is compared with its own."""

    name = "output in the shape of the targets"
    named_by = ("SPK317",)
    early_stop = False

    def apply(self, patient: Patient) -> Fix:
        """Change the loss."""
        patient.require_own_loss()
        loss_fn = patient.subject.loss_fn
        output, target = patient.output(), patient.batch.targets
        same = isinstance(output, Tensor) and isinstance(target, Tensor) and output.numel() == target.numel()
        if loss_fn is None or not same or output.shape == target.shape:
            raise NotApplicableError("output and targets have one shape, or differ in their number of values")
        patient.subject.loss_fn = lambda out, y: loss_fn(out.reshape(y.shape), y)
        return Fix("# before the loss is computed\noutput = output.reshape(y.shape)")
