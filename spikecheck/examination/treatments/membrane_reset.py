"""A reset after each spike."""

from __future__ import annotations

from spikecheck.examination.treatments.base import Patient, Treatment
from spikecheck.finding import Fix
from spikecheck.neuron import NeuronChange


class MembraneReset(Treatment):
    """Subtract the threshold from the potential after each spike."""

    name = "reset after each spike"
    named_by = ("SPK607", "SPK210", "SPK204", "SPK206", "SPK212")

    def apply(self, patient: Patient) -> Fix:
        """Change the neurons."""
        return patient.change_layers(NeuronChange.RESET)
