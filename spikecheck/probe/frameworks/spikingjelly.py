"""spikingjelly: `step_mode='s'` is called once per step, `'m'` once per sequence, [time, batch, ...]."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from spikecheck.neuron import NeuronChange, NeuronSpec
from spikecheck.probe.frameworks.base import PER_STEP, TIME_FIRST, Framework, Observation, number, settable, tensors

SPIKING = (
    *("BaseNode", "SimpleBaseNode", "ActivationAwareIFNode", "DSRIFNode", "DSRLIFNode", "GatedLIFNode"),
    *("PSN", "MaskedPSN", "SlidingPSN", "FlexSN", "ILCBaseNode", "NoisyBaseNode", "STBIFNode", "FewSpikeNode"),
)
ANALOG = ("LIAFNode",)  # returns an activation of the potential
COUNTING = ("ILIFNode",)  # up to 4 spikes per step
UNLEAKY = ("IFNode", "SimpleIFNode", "HalfThresholdIFNode", "ActivationAwareIFNode", "TernaryIFNode", "DSRIFNode")
LEAKY = ("LIFNode", "SimpleLIFNode", "TernaryLIFNode", "MPBNLIFNode", "ParametricLIFNode")
IN_VOLTS = ("BaseNode", "SimpleBaseNode", "ActivationAwareIFNode", "DSRIFNode", "DSRLIFNode")


@cache
def of(names: tuple[str, ...]) -> tuple[type, ...]:
    """Return the classes of these names, as far as this version has them."""
    library = sys.modules.get("spikingjelly.activation_based.neuron")
    return tuple(getattr(library, name) for name in names if hasattr(library, name))


class SpikingJelly(Framework):
    """Neurons of spikingjelly 2.0.

    The potential stays in `v` from call to call until `functional.reset_net(model)`, after which it is a number again.
    `decay_input=True`, the default, divides the input by tau. `ParametricLIFNode` keeps 1 / tau as the sigmoid of `w`.
    """

    name: ClassVar = "spikingjelly"

    def spikes(self, module: nn.Module) -> bool:
        """Return whether it is a node, but for those that return potentials or an activation of them."""
        if "spikingjelly.activation_based.neuron" not in sys.modules:
            return False
        return isinstance(module, of(SPIKING)) and not isinstance(module, of(ANALOG))

    def neuron(self, module: nn.Module) -> NeuronSpec:
        """Return threshold, decay, reset and surrogate."""
        decay, gain = self.leak(module)
        in_volts = isinstance(module, of(IN_VOLTS))
        return NeuronSpec(
            v_threshold=number(getattr(module, "v_threshold", None)) if in_volts else None,
            decay=decay,
            reset=self.reset(module) if in_volts else None,
            surrogate=self.surrogate(module),
            multi_spike=isinstance(module, of(COUNTING)),
            input_gain=gain,
            **settable(module, "v_threshold"),
            gain_switch="decay_input" if gain < 1 else "",
        )

    def leak(self, module: nn.Module) -> tuple[float | None, float]:
        """Return the decay of one step, and what the input is multiplied by."""
        if isinstance(module, of(UNLEAKY)):
            return 1.0, 1.0
        if not isinstance(module, of(LEAKY)) or isinstance(module, of(ANALOG)):
            return None, 1.0
        w, tau = getattr(module, "w", None), number(getattr(module, "tau", None))
        share = number(torch.sigmoid(w)) if isinstance(w, Tensor) else 1 / tau if tau else None
        if share is None:
            return None, 1.0
        return 1 - share, share if getattr(module, "decay_input", False) else 1.0

    def reset(self, module: nn.Module) -> str | None:
        """Return how a spike resets the potential; None where it is reset to something else than 0."""
        if not hasattr(module, "v_reset"):
            return None
        v_reset = module.v_reset
        return "subtract" if v_reset is None else "zero" if v_reset == 0.0 else None

    def surrogate(self, module: nn.Module) -> str | None:
        """Return the surrogate's class."""
        function = getattr(module, "surrogate_function", None)
        return None if function is None else type(function).__name__

    def code_for(self, change: NeuronChange, module: nn.Module, value: float = 0.0) -> str:
        """Return code for nodes with one time constant."""
        leaky = isinstance(module, of(LEAKY)) and hasattr(module, "tau") and not isinstance(module, of(ANALOG))
        if change is NeuronChange.DECAY and leaky and value < 1:
            return f"layer.tau, layer.decay_input = {1 / (1 - value):.3g}, False"
        if change is NeuronChange.SURROGATE_WIDTH and hasattr(module, "surrogate_function"):
            alpha = f"{2 / value:.2g}"
            home = "from spikingjelly.activation_based import surrogate"
            return f"{home}\nlayer.surrogate_function = surrogate.ATan(alpha={alpha})"
        if change is NeuronChange.SEQUENCES and getattr(module, "step_mode", "m") == "s":
            return 'layer.step_mode = "m"'
        if change is NeuronChange.FRESH_STATE:
            return "layer.reset()"
        return ""

    def observe(self, module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any], output: Any) -> Observation:
        """Return spikes and current; the potential of every step where it is stored, else of the last."""
        spikes = output[0] if isinstance(output, tuple | list) else output  # OTTT hands on a trace beside them
        current = args[0] if args else next(iter(kwargs.values()), None)
        if not isinstance(spikes, Tensor) or not isinstance(current, Tensor) or current.shape != spikes.shape:
            current = None
        potential = getattr(module, "_memories", {}).get("v")
        if getattr(module, "step_mode", "m") != "m":
            return Observation(spikes, current, potential, PER_STEP)
        stored = getattr(module, "v_seq", None)
        if isinstance(stored, Tensor):
            return Observation(spikes, current, stored, TIME_FIRST)
        whole = isinstance(potential, Tensor) and isinstance(spikes, Tensor) and potential.dim() == spikes.dim()
        return Observation(spikes, current, potential, TIME_FIRST, TIME_FIRST if whole else PER_STEP)

    def state(self, module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Tensor, ...]:
        """Return the potential that the node kept; a number after a reset."""
        return tensors([getattr(module, "_memories", {}).get("v")])
