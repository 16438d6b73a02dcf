"""One score for each class, of several neurons."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from spikecheck.assertions.watched import tensors_of
from spikecheck.examination.treatments.base import NotApplicableError, Patient, Treatment
from spikecheck.finding import Fix


class PopulationSum(Treatment):
    """Add the outputs of the neurons that stand for the same class: as many in a row as there are outputs per class."""

    name = "outputs summed by class"
    named_by = ("SPK319",)
    early_stop = False

    def apply(self, patient: Patient) -> Fix:
        """Change the output."""
        labels = [batch.labels for batch in patient.subject.batches]
        classes = 1 + max((int(y.max()) for y in labels if y is not None and len(y)), default=0)
        outputs = tensors_of(patient.output())[0].shape[-1]
        if classes < 2 or outputs == classes or outputs % classes:
            raise NotApplicableError(f"{outputs} outputs are not several for each of {classes} classes")
        patient.require_own_loss()

        def summed(output: Any) -> Tensor:
            shown = tensors_of(output)[0]
            return shown.reshape(*shown.shape[:-1], classes, -1).sum(-1)

        patient.change_output(summed)
        code = f"logits = output.unflatten(-1, ({classes}, -1)).sum(-1)"
        return Fix(f"# {outputs // classes} outputs stand for each class\n{code}")
