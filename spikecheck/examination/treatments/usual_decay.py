"""A decay with a memory of several time steps."""

from __future__ import annotations

from spikecheck.examination.treatments.base import Patient, Treatment
from spikecheck.finding import Fix
from spikecheck.neuron import NeuronChange

DECAY = 0.9  # judgment call: a memory of 10 time steps, the default of many tutorials


class UsualDecay(Treatment):
    """Set the decay of the potentials to 0.9 per time step, and feed the input unscaled."""

    name = "decay of 0.9"
    named_by = (
        *("SPK607", "SPK207", "SPK505", "SPK212", "SPK211", "SPK205"),
        *("SPK203", "SPK405", "SPK303", "SPK301", "SPK403"),
    )

    def apply(self, patient: Patient) -> Fix:
        """Change the neurons."""
        return patient.change_layers(NeuronChange.DECAY, lambda layer: DECAY)
