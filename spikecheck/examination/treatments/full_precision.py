"""32-bit floating point throughout."""

from __future__ import annotations

from spikecheck.examination.experiments.precision import REDUCED, Casts
from spikecheck.examination.treatments.base import NotApplicableError, Patient, Treatment
from spikecheck.finding import Fix


class FullPrecision(Treatment):
    """Compute in 32-bit floating point."""

    name = "32-bit floating point"
    named_by = ("SPK608", "SPK405", "SPK001", "SPK409", "SPK410")

    def apply(self, patient: Patient) -> Fix:
        """Change model and input, and every conversion to 16 bits inside the code that is called."""
        subject, x = patient.subject, patient.batch.first
        held = x.dtype in REDUCED or any(p.dtype in REDUCED for _, p in subject.model.named_parameters())
        subject.model.float()
        patient.change_inputs(lambda x: x.float() if x.is_floating_point() else x)
        converted = converts(patient)
        if not held and not converted:
            raise NotApplicableError("everything is computed in 32 bits")
        if converted:
            patient.surround(lambda: Casts(replace=True))
        lines = ["model.float()", "# before the model is called", "x = x.float()"] if held else []
        if converted:
            lines.append("# without .half(), .bfloat16(), .to(torch.float16) and torch.autocast in forward and loop")
        return Fix("\n".join(lines))


def converts(patient: Patient) -> bool:
    """Return whether the model or the loss makes 16-bit numbers of others."""
    with Casts(replace=True) as casts:  # code that rounds its input would not fit a model of 32 bits
        output = patient.output()
        if patient.subject.loss_fn is not None:
            patient.subject.loss_fn(output, patient.batch.targets)
    return bool(casts.kinds)
