"""Neurons without a bias of their own."""

from __future__ import annotations

from torch import Tensor

from spikecheck.checks.fixes import for_site
from spikecheck.examination.treatments.base import NotApplicableError, Patient, Treatment
from spikecheck.finding import Fix


class ZeroedNeuronBias(Treatment):
    """Set the constant current of neurons to 0, where it keeps them below rest."""

    name = "neuron bias of 0"
    named_by = ("SPK205", "SPK203", "SPK211")

    def apply(self, patient: Patient) -> Fix:
        """Change the layers whose own bias is negative."""
        lines: list[str] = []
        for layer in patient.layers:
            bias = getattr(layer.module, "bias", None)
            if isinstance(bias, Tensor) and bias.is_floating_point() and float(bias.detach().mean()) < 0:
                library = "" if layer.framework is None else layer.framework.name
                lines += [fix.code for fix in for_site("torch.nn.init.zeros_(layer.bias)", layer.site, library)]
        if not lines:
            raise NotApplicableError("no spiking layer has a bias below 0 of its own")
        return patient.run(lines)
