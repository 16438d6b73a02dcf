"""Thresholds that nothing passes twice."""

from __future__ import annotations

from spikecheck.checks.fixes import set_threshold
from spikecheck.examination.treatments.base import NotApplicableError, Patient, Role, Treatment
from spikecheck.finding import Fix

THRESHOLD = 30.0  # published: the value that a debugging diary of 2023 stopped at


class HugeThresholds(Treatment):
    """Raise the thresholds of neurons with several spikes per step to 30: fewer spikes, of the same neurons."""

    name = "thresholds of 30"
    named_by = ("SPK201",)
    role = Role.SYMPTOM

    def apply(self, patient: Patient) -> Fix:
        """Set them."""
        sites = [layer.site for layer in patient.layers]
        several = [site for site in sites if site.neuron is not None and site.neuron.multi_spike]
        if not several:
            raise NotApplicableError("no neuron emits several spikes per time step")
        return patient.run(code for site in several if (code := set_threshold(site, THRESHOLD)))
