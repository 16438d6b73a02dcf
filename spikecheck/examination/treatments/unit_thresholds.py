"""Thresholds of 1."""

from __future__ import annotations

from spikecheck.checks.fixes import set_threshold
from spikecheck.examination.treatments.base import NotApplicableError, Patient, Treatment
from spikecheck.finding import Fix


class UnitThresholds(Treatment):
    """Set every threshold to 1, the value that weights of standard initializers are made for."""

    name = "thresholds of 1"
    named_by = ("SPK607", "SPK204", "SPK206", "SPK205", "SPK203", "SPK504", "SPK201", "SPK210")

    def apply(self, patient: Patient) -> Fix:
        """Set them."""
        sites = [layer.site for layer in patient.layers]
        other = [site for site in sites if site.neuron is not None and site.neuron.v_threshold not in (None, 1.0)]
        if not other:
            raise NotApplicableError("every threshold that is known is 1")
        return patient.run(code for site in other if (code := set_threshold(site, 1.0)))
