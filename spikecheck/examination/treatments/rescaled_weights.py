"""Weights on the scale of standard initializers."""

from __future__ import annotations

import math

from torch import Tensor

from spikecheck.checks.fixes import plain_number
from spikecheck.examination.treatments.base import NotApplicableError, Patient, Role, Treatment, code_path
from spikecheck.finding import Fix
from spikecheck.probe.trace import is_weighted

SMALLEST, LARGEST = 0.2, 4.0  # measured: of healthy networks, trained ones included, as SPK406 has it
GOAL = 1.0  # between torch's default, 0.58, and He initialization, 1.41
LARGEST_BIAS = 3.0  # judgment call, in thresholds: more decides over a neuron whatever its input is


class RescaledWeights(Treatment):
    """Scale weights to their fan-in where they are not on that scale, and take out biases that outweigh them."""

    name = "weights scaled to their fan-in"
    named_by = ("SPK406", "SPK205", "SPK203", "SPK211", "SPK206", "SPK204", "SPK301", "SPK303", "SPK320", "SPK403")
    role = Role.BOOSTER

    def apply(self, patient: Patient) -> Fix:
        """Scale them."""
        lines = []
        for name, module in patient.subject.model.named_modules():
            if not is_weighted(module):
                continue
            path, weight, bias = code_path(name), module.weight, getattr(module, "bias", None)
            scale = float(weight.detach().double().square().mean().sqrt()) * math.sqrt(weight[0].numel())
            if scale > 0 and not SMALLEST <= scale <= LARGEST:
                lines.append(f"{path}.weight.data.mul_({plain_number(GOAL / scale, 3)})")
            if isinstance(bias, Tensor) and float(bias.detach().abs().mean()) > LARGEST_BIAS:
                lines.append(f"{path}.bias.data.zero_()")
        if not lines:
            raise NotApplicableError("every weight is on the scale of standard initializers")
        return patient.run(lines)
