"""Neurons without a bias of their own."""

from __future__ import annotations

from torch import Tensor

from spikecheck.checks.fixes import for_site
from spikecheck.examination.treatments.base import NotApplicableError, Patient, Treatment
from spikecheck.finding import Fix

MIN_SHARE = 0.1  # judgment call: of the threshold; a current of so much alone makes a neuron with a long memory fire


class ZeroedNeuronBias(Treatment):
    """Set the constant current of neurons to 0, where it keeps them below rest or alone can make them fire."""

    name = "neuron bias of 0"
    named_by = ("SPK205", "SPK203", "SPK211", "SPK204", "SPK206")

    def apply(self, patient: Patient) -> Fix:
        """Change the layers whose own bias is negative, or not small."""
        lines: list[str] = []
        for layer in patient.layers:
            bias = getattr(layer.module, "bias", None)
            if layer.framework is None or layer.module is None or not isinstance(bias, Tensor):
                continue
            threshold = layer.framework.neuron(layer.module).v_threshold or 1.0
            if not 0 <= float(bias.detach().float().mean()) < MIN_SHARE * threshold:
                library = layer.framework.name
                lines += [fix.code for fix in for_site("torch.nn.init.zeros_(layer.bias)", layer.site, library)]
        if not lines:
            raise NotApplicableError("no spiking layer has a bias of its own that is below 0, or large")
        return patient.run(lines)
