"""Weights with which each layer fires from its fluctuations."""

from __future__ import annotations

from spikecheck.calibration.calibrate import calibrate
from spikecheck.errors import SpikecheckError
from spikecheck.examination.subject import seed_everything
from spikecheck.examination.treatments.base import NotApplicableError, Patient, Role, Treatment
from spikecheck.finding import Fix


class CalibratedWeights(Treatment):
    """Calibrate the weights on the first batch."""

    name = "calibrated weights"
    named_by = ("SPK203", "SPK205", "SPK211", "SPK406", "SPK204", "SPK206", "SPK402", "SPK403", "SPK303", "SPK301")
    role = Role.BOOSTER

    def apply(self, patient: Patient) -> Fix:
        """Scale the weights of the copy."""
        seed_everything()
        patient.subject.model.train()
        try:
            calibrate(patient.subject.model, patient.batch.inputs, call=patient.subject.forward)
        except SpikecheckError as error:
            raise NotApplicableError(str(error)) from error
        return Fix("import spikecheck\n\n# once, before training\nspikecheck.calibrate(model, x)")
