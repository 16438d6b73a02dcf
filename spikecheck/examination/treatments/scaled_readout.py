"""Logits that differ by about 1."""

from __future__ import annotations

import torch
from torch import Tensor

from spikecheck.assertions.watched import tensors_of
from spikecheck.checks.fixes import plain_number
from spikecheck.examination.treatments.base import NotApplicableError, Patient, Role, Treatment
from spikecheck.finding import Fix

LEAST, MOST = 0.2, 5.0  # judgment call: standard deviations of logits that a softmax can begin with


class ScaledReadout(Treatment):
    """Multiply the logits so that they have a standard deviation of 1 before training."""

    name = "scaled readout"
    named_by = ("SPK301", "SPK303", "SPK320", "SPK311", "SPK410")
    role = Role.BOOSTER
    early_stop = False

    def apply(self, patient: Patient) -> Fix:
        """Change what the model returns."""
        patient.require_own_loss()
        shown = [t for t in tensors_of(patient.output()) if t.is_floating_point()]
        spread = float(torch.nan_to_num(shown[0].double()).std()) if shown else 0.0
        if not shown or spread <= 0 or LEAST <= spread <= MOST:
            raise NotApplicableError("the logits begin with an ordinary spread")
        factor = float(plain_number(1 / spread))
        patient.change_output(lambda output: scaled(output, factor))
        return Fix(f"# before the loss is computed\nlogits = logits * {factor:g}")


def scaled(output: object, factor: float) -> object:
    """Return an output with its first floating-point tensor multiplied."""
    if isinstance(output, Tensor):
        return output * factor
    if isinstance(output, tuple | list) and output:
        return type(output)([scaled(output[0], factor), *output[1:]])
    return output
