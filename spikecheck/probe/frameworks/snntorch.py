"""snntorch: a layer is called once a step and returns (spikes, states..., potential), or the spikes alone."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, ClassVar

from torch import Tensor, nn

from spikecheck.neuron import NeuronSpec
from spikecheck.probe.frameworks.base import PER_STEP, TIME_FIRST, Framework, Heard, number, tensors
from spikecheck.site import Layout

WHOLE_SEQUENCE = ("LeakyParallel", "StateLeaky", "LinearLeaky", "AssociativeLeaky")  # [time, batch, neuron] at once


@cache
def whole_sequence() -> tuple[type, ...]:
    """The layers that are called once for all steps, as far as this version has them."""
    library = sys.modules["snntorch"]
    return tuple(getattr(library, name) for name in WHOLE_SEQUENCE if hasattr(library, name))


class SNNTorch(Framework):
    """Layers of snntorch 1.0.

    `Leaky` clamps its beta to [0, 1] in use, whatever was set. With `init_hidden=True` the state is kept on the
    module; without it, a layer that is called with no potential keeps it all the same.
    """

    name: ClassVar = "snntorch"

    def spikes(self, module: nn.Module) -> bool:
        """Every `SpikingNeuron`, and the layers that take a whole sequence."""
        return isinstance(module, (sys.modules[self.name].SpikingNeuron, *whole_sequence()))

    def neuron(self, module: nn.Module) -> NeuronSpec:
        """Threshold, beta, reset and surrogate, as the layer uses them."""
        beta = number(getattr(module, "beta", None))
        surrogate = getattr(module, "spike_grad", None)
        return NeuronSpec(
            v_threshold=number(getattr(module, "threshold", None)),
            decay=None if beta is None else min(1.0, max(0.0, beta)),
            reset=getattr(module, "reset_mechanism", None),
            surrogate=getattr(surrogate, "__qualname__", "").partition(".")[0] or None,
            multi_spike=False,
        )

    def heard(self, module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any], output: Any) -> Heard:
        """The first item is the spikes, the last the potential; bare spikes leave the potential on the module."""
        current = args[0] if args else kwargs.get("input_")
        layout = self.layout(module)
        if isinstance(output, tuple):
            return Heard(output[0], current, output[-1], layout)
        kept = getattr(module, "mem", None)
        shown = kept if isinstance(kept, Tensor) and kept.shape == output.shape else None
        return Heard(output, current, shown, layout)

    def layout(self, module: nn.Module) -> Layout:
        """Time first for layers that take a whole sequence."""
        return TIME_FIRST if isinstance(module, whole_sequence()) else PER_STEP

    def state(self, module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Tensor, ...]:
        """The states that were passed, or those that the layer keeps."""
        passed = tensors([*args[1:], *kwargs.values()])
        return passed or tensors([getattr(module, "mem", None)])
