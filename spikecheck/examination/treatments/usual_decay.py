"""A decay with a memory of several time steps."""

from __future__ import annotations

from collections.abc import Iterator

from spikecheck.examination.treatments.base import NotApplicableError, Patient, Treatment, code_path
from spikecheck.finding import Fix
from spikecheck.neuron import NeuronChange
from spikecheck.probe.frameworks.generic import Generic

DECAY = 0.9  # judgment call: a memory of 10 time steps, the default of many tutorials


class UsualDecay(Treatment):
    """Set the decay of the potentials to 0.9 per time step, and feed the input unscaled."""

    name = "decay of 0.9"
    named_by = (
        *("SPK607", "SPK207", "SPK505", "SPK212", "SPK211", "SPK205"),
        *("SPK203", "SPK405", "SPK303", "SPK301", "SPK403"),
    )

    def apply(self, patient: Patient) -> Fix:
        """Change the neurons, and leaky integrators that read them out where they grow."""
        growing = list(readouts_that_grow(patient))
        try:
            layers = patient.change_layers(NeuronChange.DECAY, lambda layer: DECAY).code
        except NotApplicableError:
            if not growing:
                raise
            layers = ""
        return Fix("\n".join(filter(None, [layers, patient.run(growing).code if growing else ""])), applies=True)


def readouts_that_grow(patient: Patient) -> Iterator[str]:
    """Yield code for modules beside the spiking layers whose decay is not from 0 to 1."""
    neurons = {layer.module for layer in patient.layers}
    libraries = {layer.framework.name: layer.framework for layer in patient.layers if layer.framework is not None}
    for name, module in patient.subject.model.named_modules():
        framework = libraries.get(type(module).__module__.partition(".")[0], Generic())
        decay = framework.neuron(module).decay
        if module not in neurons and decay is not None and not 0 <= decay <= 1:
            code = framework.code_for(NeuronChange.DECAY, module, DECAY)
            yield code.replace("layer.", f"{code_path(name)}.")
