"""A surrogate gradient as wide as the potentials spread."""

from __future__ import annotations

from spikecheck.calibration.forward import LayerPass
from spikecheck.calibration.potential import integrated, is_linear
from spikecheck.examination.treatments.base import Patient, Treatment
from spikecheck.finding import Fix
from spikecheck.neuron import NeuronChange

NARROWEST, WIDEST = 0.3, 3.0  # judgment call, in thresholds: beyond that, the potentials are what is wrong


class MatchedSurrogate(Treatment):
    """Give the surrogate gradient the width by which the potentials differ from the threshold."""

    name = "surrogate gradient as wide as the potentials spread"
    named_by = ("SPK605", "SPK606", "SPK401", "SPK402", "SPK403", "SPK405", "SPK409")

    def apply(self, patient: Patient) -> Fix:
        """Change the neurons."""
        return patient.change_layers(NeuronChange.SURROGATE_WIDTH, width)


def width(layer: LayerPass) -> float:
    """Return the standard deviation of a layer's potentials, in thresholds; 1 where it is not known."""
    neuron = layer.site.neuron
    if layer.current is None or neuron is None or not is_linear(neuron):
        return 1.0
    spread = float(integrated(layer.current.double(), neuron).std(unbiased=False))
    return min(WIDEST, max(NARROWEST, spread)) if spread == spread else 1.0
