"""Dropout of a fifth."""

from __future__ import annotations

from spikecheck.examination.treatments.base import NotApplicableError, Patient, Treatment, code_path
from spikecheck.finding import Fix

SHARE = 0.2  # judgment call: what spiking networks are usually trained with


class MildDropout(Treatment):
    """Drop a fifth of the spikes where more is dropped."""

    name = "dropout of 20%"
    named_by = ("SPK215",)

    def apply(self, patient: Patient) -> Fix:
        """Change the dropout layers."""
        heavy = [
            name
            for name, module in patient.subject.model.named_modules()
            if "dropout" in type(module).__name__.lower() and getattr(module, "p", 0.0) > SHARE
        ]
        if not heavy:
            raise NotApplicableError("no more than 20% is dropped anywhere")
        return patient.run(f"{code_path(name)}.p = {SHARE}" for name in heavy)
