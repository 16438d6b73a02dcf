"""snntorch: a layer is called once per step and returns (spikes, states..., potential), or the spikes alone."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, ClassVar

from torch import Tensor, nn

from spikecheck.neuron import NeuronChange, NeuronSpec, ReplacedParameter
from spikecheck.probe.frameworks.base import PER_STEP, TIME_FIRST, Framework, Observation, number, settable, tensors
from spikecheck.site import Layout

WHOLE_SEQUENCE = ("LeakyParallel", "LeakyKernel", "StateLeaky", "LinearLeaky")  # [time, batch, neuron] at once
BARE_POTENTIAL = ("StateLeaky",)  # and what is built on it: without `output=True` it returns the potential
PROJECTING = ("AssociativeLeaky",)  # returns a product of its spikes and its input
CLAMPING = ("Leaky", "RLeaky", "Synaptic", "RSynaptic", "Alpha")  # alpha and beta to [0, 1], whenever they are used
#: In snntorch 1.0, it begins every step with zeros unless its state has the shape of its input.
FORGETFUL = ("SLSTM",)
WEIGHTED = ("SLSTM", "SConv2dLSTM", "LeakyParallel", "LeakyKernel", "LinearLeaky", *PROJECTING)  # weights inside


@cache
def of(names: tuple[str, ...]) -> tuple[type, ...]:
    """Return the classes of these names, as far as this version has them."""
    library = sys.modules["snntorch"]
    return tuple(getattr(library, name) for name in names if hasattr(library, name))


@cache
def facts(kind: Any) -> tuple[bool, Layout]:
    """Return whether layers of a class have weights inside, and their layout: time first for a whole sequence."""
    layout = TIME_FIRST if issubclass(kind, of((*WHOLE_SEQUENCE, *PROJECTING))) else PER_STEP
    return issubclass(kind, of(WEIGHTED)), layout


class SNNTorch(Framework):
    """Layers of snntorch 1.0.

    `Leaky` and its like clamp alpha and beta to [0, 1] in use, whatever was set. With `init_hidden=True` the state is
    kept on the module; without it, a layer that is called with no potential keeps it all the same.
    """

    name: ClassVar = "snntorch"

    def spikes(self, module: nn.Module) -> bool:
        """Return whether it is a `SpikingNeuron` or a layer for whole sequences, and returns spikes."""
        if isinstance(module, of(PROJECTING)) and getattr(module, "use_q_projection", False):
            return False
        if isinstance(module, of(BARE_POTENTIAL)) and not getattr(module, "output", False):
            return False
        return isinstance(module, of(("SpikingNeuron", *WHOLE_SEQUENCE)))

    def neuron(self, module: nn.Module) -> NeuronSpec:
        """Return threshold, beta, reset and surrogate, as the layer uses them."""
        decay, gain = self.leak(module)
        alpha = number(getattr(module, "alpha", None)) if isinstance(module, of(("Synaptic", "RSynaptic"))) else None
        surrogate = getattr(module, "spike_grad", None)
        return NeuronSpec(
            v_threshold=number(getattr(module, "threshold", None)),
            decay=decay,
            tau_syn=-1 / math.log(alpha) if alpha is not None and 0 < alpha < 1 else None,
            reset=getattr(module, "reset_mechanism", None),
            surrogate=getattr(surrogate, "__qualname__", "").partition(".")[0] or None,
            multi_spike=False,
            self_weight=number(self_weight(module)),
            self_weight_name="recurrent.V" if self_weight(module) is not None else "",
            input_gain=gain,
            **settable(module, "threshold"),
            replaced_parameters=tuple(self.clamped(module)),
            drops_state=isinstance(module, of(FORGETFUL)) and drops_states() and has_unequal_sizes(module),
        )

    def clamped(self, module: nn.Module) -> Iterator[ReplacedParameter]:
        """Yield the decays that are out of [0, 1], with the value that is used."""
        for name in ("alpha", "beta") if isinstance(module, of(CLAMPING)) else ():
            value = getattr(module, name, None)
            decay = number(value)
            if decay is not None and not 0 <= decay <= 1:
                learned = isinstance(value, nn.Parameter) and value.requires_grad
                yield ReplacedParameter(name, decay, within(decay), learned)

    def leak(self, module: nn.Module) -> tuple[float | None, float]:
        """Return the decay of one step, and what the input is multiplied by."""
        step, r, c = (number(getattr(module, name, None)) for name in ("time_step", "R", "C"))
        if isinstance(module, of(("Lapicque",))):
            return (1 - step / (r * c), step / c) if step and r and c else (None, 1.0)
        beta = None if isinstance(module, of(("Alpha",))) else number(getattr(module, "beta", None))
        return None if beta is None else within(beta), 1.0

    def code_for(self, change: NeuronChange, module: nn.Module, value: float = 0.0) -> str:
        """Return code for the attributes that most neurons share."""
        beta = getattr(module, "beta", None)
        if change is NeuronChange.DECAY and beta is not None:
            return f"layer.beta.data.fill_({value:.2g})" if isinstance(beta, Tensor) else f"layer.beta = {value:.2g}"
        if change is NeuronChange.SURROGATE_WIDTH and hasattr(module, "spike_grad"):
            slope = f"{5 / value:.2g}"
            return f"from snntorch import surrogate\nlayer.spike_grad = surrogate.fast_sigmoid(slope={slope})"
        if change is NeuronChange.RESET and getattr(module, "reset_mechanism", None) == "none":
            chosen = "\nlayer.state_function = layer._base_sub" if hasattr(module, "_base_sub") else ""
            return f'layer.reset_mechanism = "subtract"{chosen}'  # which function resets is chosen in __init__
        if change is NeuronChange.FRESH_STATE and getattr(module, "init_hidden", False):
            return "layer.reset_mem()"
        return ""

    def observe(self, module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any], output: Any) -> Observation:
        """The first item is the spikes, the last the potential; bare spikes leave the potential on the module."""
        kind: Any = type(module)
        weighted, layout = facts(kind)
        current = None if weighted else args[0] if args else kwargs.get("input_")
        if isinstance(output, tuple):
            last = output[-1][0] if isinstance(output[-1], tuple) else output[-1]
            return Observation(output[0], current, last, layout)
        mem = getattr(module, "mem", None)
        shown = mem if isinstance(mem, Tensor) and mem.shape == output.shape else None
        return Observation(output, current, shown, layout)

    def state(self, module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Tensor, ...]:
        """The states that were passed, or those that the layer keeps."""
        passed = tensors([*args[1:], *kwargs.values()])
        return passed or tensors([getattr(module, "mem", None)])

    def previous_state(self, module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Tensor, ...]:
        """The states that the step really starts from: none where the library drops them."""
        forgets = isinstance(module, of(FORGETFUL)) and drops_states() and has_unequal_sizes(module)
        return () if forgets else self.state(module, args, kwargs)


def self_weight(module: nn.Module) -> object:
    """Return the factor by which each neuron feeds its own spike back to itself; None of other layers."""
    return None if getattr(module, "all_to_all", True) else getattr(getattr(module, "recurrent", None), "V", None)


def drops_states() -> bool:
    """Return whether this version of the library compares the shape of a state with that of the input."""
    return str(getattr(sys.modules["snntorch"], "__version__", "")).startswith("1.0")


def has_unequal_sizes(module: nn.Module) -> bool:
    """Return whether a layer's state has another size than its input."""
    return getattr(module, "input_size", None) != getattr(module, "hidden_size", None)


def within(decay: float) -> float:
    """Return the decay that the library uses for this one."""
    return min(1.0, max(0.0, decay))
