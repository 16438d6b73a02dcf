"""Thresholds that some potentials reach."""

from __future__ import annotations

from spikecheck.calibration.potential import integrated, is_linear
from spikecheck.checks.fixes import set_threshold
from spikecheck.examination.treatments.base import NotApplicableError, Patient, Treatment, quantile
from spikecheck.finding import Fix

SHARE = 0.92  # measured: on public faults, thresholds at this quantile heal most; 8% of the potentials are above it
LEAST = 1e-6


class ThresholdFromPotentials(Treatment):
    """Set each threshold to a quantile of the potentials that the layer's current adds up to."""

    name = "thresholds at a quantile of the potentials"
    named_by = ("SPK205", "SPK203", "SPK211", "SPK204", "SPK206", "SPK504", "SPK201")

    def apply(self, patient: Patient) -> Fix:
        """Set them layer by layer, in the order of the data flow: each sees the new spikes of the one before."""
        lines: list[str] = []
        for number in range(len(patient.layers)):
            layer = patient.layers[number]
            neuron = layer.site.neuron
            if layer.current is None or neuron is None or not is_linear(neuron):
                continue
            level = quantile(integrated(layer.current.double(), neuron), SHARE) * (neuron.v_threshold or 1.0)
            code = set_threshold(layer.site, level) if level > LEAST else ""
            if code:
                lines.append(patient.run([code]).code)
        if not lines:
            raise NotApplicableError("no threshold can be set, or the potentials are not known")
        return Fix("\n".join(lines), applies=True)
