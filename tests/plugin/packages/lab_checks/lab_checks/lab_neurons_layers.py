"""How spikecheck reads the layers of `lab_neurons`: called once a sequence, [batch, time, neuron]."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import nn

from spikecheck.plugin import BATCH_FIRST, Framework, NeuronSpec, Observation


class LabNeurons(Framework):
    """Layers that return a dict of spikes and potential."""

    name: ClassVar = "lab_neurons"

    def spikes(self, module: nn.Module) -> bool:
        """The one layer that there is."""
        return isinstance(module, sys.modules["lab_neurons"].Clicks)

    def neuron(self, module: nn.Module) -> NeuronSpec:
        """The threshold."""
        return NeuronSpec(v_threshold=float(module.threshold))

    def observe(self, module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any], output: Any) -> Observation:
        """What its dict holds."""
        return Observation(output["spikes"], args[0], output["potential"], BATCH_FIRST)
