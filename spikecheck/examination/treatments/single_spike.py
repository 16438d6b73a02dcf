"""Neurons with at most one spike per time step."""

from __future__ import annotations

from spikecheck.examination.treatments.base import Patient, Treatment
from spikecheck.finding import Fix
from spikecheck.neuron import NeuronChange


class SingleSpike(Treatment):
    """Let each neuron emit at most one spike per time step."""

    name = "at most one spike per step"
    named_by = ("SPK201", "SPK202", "SPK301", "SPK206", "SPK303")

    def apply(self, patient: Patient) -> Fix:
        """Change the neurons."""
        return patient.change_layers(NeuronChange.SINGLE_SPIKE)
