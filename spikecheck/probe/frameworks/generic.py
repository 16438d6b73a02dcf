"""No library: a layer written by hand, recognized by what it does.

It is a spiking layer when an autograd function of its own lies just upstream of what it returns (the surrogate
gradient) and the values are few; or when it turns values into zeros and ones that carry no gradient, which is a
comparison without a surrogate. Names of attributes are read for threshold and decay, since people name them alike;
whatever is not found is None.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from spikecheck.neuron import NeuronChange, NeuronSpec
from spikecheck.probe.frameworks.base import (
    PER_STEP,
    TIME_FIRST,
    Framework,
    Observation,
    nested,
    number,
    settable,
    tensors,
)
from spikecheck.probe.state_chains import mixes
from spikecheck.probe.torch_private import is_custom_function, is_function_of_torch
from spikecheck.readings import InputReading

THRESHOLDS = ("threshold", "v_threshold", "thr", "thresh", "v_th", "vth", "theta")
DECAYS = ("beta", "decay", "beta_mem", "alpha_mem", "decay_mem")
SYNAPSES = ("syn", "i_syn", "isyn", "syn_current", "synaptic_current", "synapse", "psp")  # a synaptic current
CURRENTS = (*SYNAPSES, "i", "current", "cur", "trace")  # the same where a layer keeps it; else an input's name
STATES = ("mem", "v", "v_mem", "membrane", "potential", "state", "u")
RESETS = ("reset_states", "reset_state", "reset_mem", "reset_hidden", "reset")  # methods that make a layer forget
HOPS = 4  # measured over nine libraries: the custom function lies 0 to 4 nodes upstream
FEW = 10  # distinct values of a graded code; a quantizer of four bits shows 16, a ReLU thousands


class Generic(Framework):
    """A layer that no library's file knows."""

    name: ClassVar = "torch"
    shows_time: ClassVar = False  # but where a graph is recorded: see `time_axis`
    shows_state: ClassVar = False  # its state may have any name

    def __init__(self, *, weighs: bool = False) -> None:
        self.weighs = weighs

    def spikes(self, module: nn.Module) -> bool:
        """Return False: it is decided by its values, see `are_spikes`."""
        return False

    def neuron(self, module: nn.Module) -> NeuronSpec:
        """Return what attributes of the usual names say."""
        threshold = [name for name in THRESHOLDS if number(getattr(module, name, None)) is not None]
        decay = [value for name in DECAYS if (value := constant(getattr(module, name, None))) is not None]
        return NeuronSpec(
            v_threshold=number(getattr(module, threshold[0])) if len(threshold) == 1 else None,
            decay=decay[0] if len(decay) == 1 else None,
            lowest_threshold=lowest(getattr(module, threshold[0])) if len(threshold) == 1 else None,
            accumulates=keeps_current(module),
            input_gain=self.input_gain,
            **(settable(module, threshold[0]) if len(threshold) == 1 else {"threshold_name": ""}),
        )

    def code_for(self, change: NeuronChange, module: nn.Module, value: float = 0.0) -> str:
        """Return code for a decay of a usual name, and for a method that resets the state."""
        decays = [name for name in DECAYS if constant(getattr(module, name, None)) is not None]
        if change is NeuronChange.DECAY and len(decays) == 1:
            is_tensor = isinstance(getattr(module, decays[0]), Tensor)
            return f"layer.{decays[0]}.data.fill_({value:.2g})" if is_tensor else f"layer.{decays[0]} = {value:.2g}"
        if change is NeuronChange.RESET and getattr(module, "reset", None) is False:
            return "layer.reset = True"
        if change is NeuronChange.FRESH_STATE:
            method = next((name for name in RESETS if callable(getattr(module, name, None))), "")
            return f"layer.{method}()" if method else ""
        return ""

    def observe(self, module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any], output: Any) -> Observation:
        """Take the first tensor returned for the spikes, the first argument for the current."""
        inputs = tensors([*args, *kwargs.values()])
        returned = output if isinstance(output, tuple | list) else [output]
        spikes = next((value for value in returned if isinstance(value, Tensor)), None)
        alike = bool(inputs) and spikes is not None and inputs[0].shape == spikes.shape
        current = inputs[0] if alike and not self.weighs else None
        return Observation(spikes, current, layout=PER_STEP)

    def state(self, module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Tensor, ...]:
        """Return tensors passed beside the input, or kept on the module under a usual name and cut from the graph.

        What is still part of the graph of the batch before was not continued from, or `backward` would raise: layers
        keep their last potential to be looked at. Without gradients the two look alike, and neither is returned.
        """
        left = state_of(module) if torch.is_grad_enabled() else ()
        return tensors([*args, *kwargs.values()])[1:] or tuple(t for t in left if not t.requires_grad)

    def previous_state(self, module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Tensor, ...]:
        """Return tensors passed beside the input, in tuples too, or kept on the module under a usual name."""
        return nested([*args, *kwargs.values()])[1:] or state_of(module)

    def next_state(self, module: nn.Module, output: Any) -> tuple[Tensor, ...]:
        """Return tensors returned beside the spikes, or kept on the module under a usual name."""
        returned = output if isinstance(output, tuple | list) else [output]
        return nested(returned)[1:] or state_of(module)


class Folded(Generic):
    """A layer that returns time and batch as one axis, time outermost: [time * batch, neurons]."""

    shows_time: ClassVar = True

    def __init__(self, steps: int, *, weighs: bool = False) -> None:
        super().__init__(weighs=weighs)
        self.steps = steps

    def observe(self, module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any], output: Any) -> Observation:
        """Show both axes; the number of time steps is that of the first call, the batch size may differ."""
        shown = super().observe(module, args, kwargs, output)
        spikes, current = shown.spikes, shown.current
        if spikes is None or not spikes.dim() or spikes.shape[0] % self.steps:
            return shown
        current = None if current is None else self.unfolded(current)
        return Observation(self.unfolded(spikes), current, layout=TIME_FIRST, output=spikes)

    def unfolded(self, x: Tensor) -> Tensor:
        """Return a tensor with time and batch apart."""
        return x.reshape(self.steps, x.shape[0] // self.steps, *x.shape[1:])


class Joined(Generic):
    """A layer that returns its spikes and something else, such as a trace of them, as one tensor of equal parts."""

    def __init__(self, axis: int, parts: int, part: int, *, weighs: bool = False) -> None:
        super().__init__(weighs=weighs)
        self.axis, self.parts, self.part = axis, parts, part

    def observe(self, module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any], output: Any) -> Observation:
        """Show the part with the spikes; all of it in a call that returns as much as it is given, as in evaluation."""
        shown = super().observe(module, args, kwargs, output)
        inputs, whole = tensors([*args, *kwargs.values()]), shown.spikes
        if whole is None or not inputs or joined_parts(whole, inputs[0], self.axis) != self.parts:
            return shown
        spikes = whole.chunk(self.parts, self.axis)[self.part]
        current = inputs[0] if inputs[0].shape == spikes.shape and not self.weighs else None
        return Observation(spikes, current, layout=PER_STEP, output=whole)


def joined_parts(output: Tensor, argument: Tensor, axis: int) -> int | None:
    """Return how many times as long as an argument of a layer its output is along an axis; None where it is a share."""
    if output.dim() <= axis or argument.dim() <= axis or not argument.shape[axis]:
        return None
    parts, rest = divmod(output.shape[axis], argument.shape[axis])
    return None if rest else parts


def state_of(module: nn.Module) -> tuple[Tensor, ...]:
    """Return the state that a module keeps on itself, as far as its names tell."""
    named = [getattr(module, name, None) for name in STATES]
    return tensors([value for value in named if not isinstance(value, nn.Parameter)])


def keeps_current(module: nn.Module) -> bool:
    """Return whether a layer has a synaptic current: as an attribute, an argument or a variable of `forward`."""
    code = getattr(type(module).forward, "__code__", None)
    local = set() if code is None else set(code.co_varnames)
    return any(name in local for name in SYNAPSES) or any(
        isinstance(getattr(module, name, None), Tensor) for name in CURRENTS
    )


def constant(value: object) -> float | None:
    """Return a decay; one that is learned and outside [0, 1] may be the input of a sigmoid, and is not known."""
    decay = number(value)
    free = isinstance(value, nn.Parameter) and decay is not None and not 0 <= decay <= 1
    return None if free else decay


def lowest(value: object) -> float | None:
    """Return the smallest entry of a tensor, or the number itself."""
    return number(value.detach().amin()) if isinstance(value, Tensor) and value.numel() else number(value)


def surrogates(spikes: Tensor, claimed: Set[Any], passed_on: Set[Any] = frozenset()) -> set[Any]:
    """Return custom autograd functions at most HOPS nodes upstream, none that an earlier layer claimed or behind it.

    What mixes or averages the values that a function returned does not return its spikes. The functions in `passed_on`
    return what they are given: they make no spikes.
    """
    level: list[Any] = [spikes.grad_fn]
    excluded = claimed | passed_on
    functions: set[Any] = set()
    for _ in range(HOPS + 1):
        nodes = [node for node in level if node is not None]
        nodes = [node for node in nodes if not is_function_of_torch(node)]  # such as a checkpoint
        functions |= {node for node in nodes if is_custom_function(node) and node not in excluded}
        passed = [node for node in nodes if node not in functions | claimed and not combines(type(node).__name__)]
        level = [parent for node in passed for parent, _ in node.next_functions]
    return functions


def combines(name: str) -> bool:
    """Return whether a node of this name returns something else than the spikes that it is given."""
    return mixes(name) or name.startswith("Mean")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a candidate's calls beside the values.

    `own_function`: an autograd function of its own lies upstream. `weighs`: it mixes its input by weights of its own.
    """

    own_function: bool = False
    carries_gradient: bool = False
    training: bool = True
    weighs: bool = False


def are_spikes(values: InputReading, inputs: InputReading | None, evidence: Evidence) -> bool:
    """Return whether the values of a layer's output look like spikes.

    `inputs` are the values of the layer's input: a layer that receives zeros and ones and returns zeros and ones
    (pooling, dropout, a flatten) is no neuron, unless it weighs them first. Where gradients are recorded and the output
    carries none, one value beside 0 is enough: a dropout behind the comparison scales the ones.
    """
    if evidence.own_function:
        whole = values.non_integer == 0  # a layer of multi-spike neurons that explodes shows thousands of them
        return whole or len(values.values) <= FEW or values.non_finite.count > 0
    distinct = set(values.values)
    cut = evidence.training and not evidence.carries_gradient
    binary = distinct == {0.0, 1.0} or (cut and evidence.weighs and len(distinct) == 2 and min(distinct) == 0)
    from_binary = inputs is not None and set(inputs.values) <= {0.0, 1.0} and not evidence.weighs
    return binary and not evidence.carries_gradient and not from_binary
