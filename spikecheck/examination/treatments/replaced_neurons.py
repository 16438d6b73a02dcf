"""Neurons that are known to work."""

from __future__ import annotations

from spikecheck.examination.reference_neurons import DECAY, SLOPE, THRESHOLD, replace_neurons
from spikecheck.examination.treatments.base import Patient, Treatment
from spikecheck.finding import Fix

CODE = f"""\
import spikecheck
import torch


class Spike(torch.autograd.Function):
    @staticmethod
    def forward(ctx, v):
        ctx.save_for_backward(v)
        return (v > 0).to(v.dtype)

    @staticmethod
    def backward(ctx, grad):
        (v,) = ctx.saved_tensors
        return grad / ({SLOPE:g} * v.abs() + 1) ** 2


# one time step of the neurons of every spiking layer, with v of 0 at the beginning of each batch
v = {DECAY:g} * v + current
spikes = Spike.apply(v - {THRESHOLD:g})
v = v - {THRESHOLD:g} * spikes.detach()

# once, before training
spikecheck.calibrate(model, x)"""


class ReplacedNeurons(Treatment):
    """Let leaky neurons with a surrogate gradient take the place of all neurons, with calibrated input currents."""

    name = "leaky neurons in place of all neurons"
    named_by = (
        "SPK605",
        "SPK606",
        "SPK607",
        *("SPK401", "SPK210", "SPK209", "SPK207", "SPK212", "SPK505", "SPK208", "SPK213", "SPK402", "SPK403"),
        *("SPK405", "SPK202", "SPK201", "SPK409"),
    )
    core = True

    def apply(self, patient: Patient) -> Fix:
        """Replace them."""
        replace_neurons(patient.subject)
        return Fix(CODE)
