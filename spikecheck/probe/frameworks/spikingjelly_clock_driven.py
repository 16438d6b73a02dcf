"""spikingjelly.clock_driven: `MultiStep...Node` is called once per sequence, [time, batch, ...], others per step."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from spikecheck.neuron import NeuronSpec
from spikecheck.probe.frameworks.base import PER_STEP, TIME_FIRST, Framework, Observation, number, tensors

HOME = "spikingjelly.clock_driven.neuron"
ANALOG = ("LIAFNode",)  # returns an activation of the potential
UNLEAKY = ("IFNode", "MultiStepIFNode")
LEAKY = ("LIFNode", "MultiStepLIFNode", "ParametricLIFNode", "MultiStepParametricLIFNode")
WHOLE_SEQUENCE = "MultiStep"  # how the names of the layers for whole sequences begin


class ClockDriven(Framework):
    """Neurons of spikingjelly.clock_driven 0.0.0.0.12.

    All neurons share one surrogate object by default. The potential stays in `v` until `functional.reset_net(model)`,
    after which it is a number again. `decay_input=True`, the default, divides the input by tau.
    """

    name: ClassVar = "spikingjelly.clock_driven"

    def spikes(self, module: nn.Module) -> bool:
        """Return whether it is a node, but for those that return an activation of the potential."""
        home = sys.modules.get(HOME)
        return home is not None and isinstance(module, home.BaseNode) and type(module).__name__ not in ANALOG

    def neuron(self, module: nn.Module) -> NeuronSpec:
        """Return threshold, decay, reset and surrogate."""
        kind, w, tau = type(module).__name__, getattr(module, "w", None), number(getattr(module, "tau", None))
        share = None
        if kind in LEAKY:
            share = number(w.sigmoid()) if isinstance(w, Tensor) else 1 / tau if tau else None
        gain = share if share is not None and getattr(module, "decay_input", False) else 1.0
        v_reset, function = getattr(module, "v_reset", None), getattr(module, "surrogate_function", None)
        return NeuronSpec(
            v_threshold=number(getattr(module, "v_threshold", None)),
            decay=1.0 if kind in UNLEAKY else None if share is None else 1 - share,
            reset="subtract" if v_reset is None else "zero" if v_reset == 0.0 else None,
            surrogate=None if function is None else type(function).__name__,
            multi_spike=False,
            input_gain=gain,
            threshold_name="v_threshold",
        )

    def observe(self, module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any], output: Any) -> Observation:
        """Return spikes and current; the potential of every step from a layer for whole sequences."""
        current = args[0] if args else next(iter(kwargs.values()), None)
        if not isinstance(current, Tensor) or not isinstance(output, Tensor) or current.shape != output.shape:
            current = None
        if not type(module).__name__.startswith(WHOLE_SEQUENCE):
            return Observation(output, current, memories_of(module).get("v"), PER_STEP)
        stored = getattr(module, "v_seq", None)
        return Observation(output, current, stored if isinstance(stored, Tensor) else None, TIME_FIRST)

    def state(self, module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Tensor, ...]:
        """Return the potential that the node kept; a number after a reset."""
        return tensors([memories_of(module).get("v")])


def memories_of(module: nn.Module) -> Mapping[str, Any]:
    """Return what a node keeps from call to call."""
    memories: Mapping[str, Any] = getattr(module, "_memories", {})
    return memories
