"""Layers that take whole sequences."""

from __future__ import annotations

from spikecheck.examination.treatments.base import Patient, Treatment
from spikecheck.finding import Fix
from spikecheck.neuron import NeuronChange


class WholeSequences(Treatment):
    """Let layers that take one time step per call take the time axis of their input."""

    name = "layers that take whole sequences"
    named_by = ("SPK104",)

    def apply(self, patient: Patient) -> Fix:
        """Change the layers."""
        return patient.change_layers(NeuronChange.SEQUENCES)
