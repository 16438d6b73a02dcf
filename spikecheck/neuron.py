"""The parameters of a spiking layer's neurons, in the terms of NIR."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import Enum

#: Attributes of layers that the fixes of checks name; one of a named tuple, such as norse's `p`, is `p.v_th`.
FIX_ATTRIBUTES = (
    *("threshold", "v_threshold", "spike_threshold", "p.v_th"),
    *("beta", "tau", "tau_mem", "dt", "p.tau_mem_inv"),
    *("decay_input", "norm_input", "graded_spikes_factor", "max_spikes_per_dt"),
    *("v_reset", "reset_fn", "spike_fn", "reset_mechanism", "state_function", "_base_int"),
    *("spike_grad", "surrogate_function", "surrogate_grad_fn", "p.alpha", "p.method"),
    *("mem", "reset_mem", "reset_state", "reset_states"),
    "num_timesteps",
)

#: Names of neuron parameters that a model or a hand-written layer holds itself; a layer of a library has its own.
NEURON_PARAMETER = re.compile(r"(^|_)(v_?)?(th|thr|thresh|threshold|v_?th|beta|decay|leak|tau)(_|\d|$)", re.IGNORECASE)


def is_of_neurons(parameter: str) -> bool:
    """Return whether a parameter's own name is that of a threshold, a decay or a time constant."""
    return NEURON_PARAMETER.search(parameter.rpartition(".")[2]) is not None


class Holder(Enum):
    """What holds a number of a layer, which decides by which code it is set."""

    ATTRIBUTE = "a Python number"
    TENSOR = "a tensor, set in place"
    SHARED_TENSOR = "a tensor that other layers may share, given a storage of its own"
    NAMED_TUPLE = "a named tuple, replaced as a whole"


class NeuronChange(Enum):
    """A change of a layer's neurons for which a library's file knows the code."""

    DECAY = "the decay of the potential per time step"
    SURROGATE_WIDTH = "the width of the surrogate gradient, in thresholds"
    RESET = "a reset by subtraction"
    SINGLE_SPIKE = "at most one spike per time step"
    SEQUENCES = "whole sequences, not one time step per call"
    FRESH_STATE = "a fresh state, before every batch"


@dataclass(frozen=True, slots=True)
class ReplacedParameter:
    """A parameter that its library silently replaces by another value: snntorch clamps `beta` to [0, 1].

    `learned` is True where an optimizer may have moved it there.
    """

    name: str
    requested: float
    effective: float
    learned: bool = False


@dataclass(frozen=True, slots=True)
class NeuronSpec:
    """Parameters of a spiking layer; None is unknown, never a guess.

    A layer with one value per neuron gives the mean. Values are those that the layer uses. Time constants are in time
    steps. `decay` is the factor by which the potential shrinks in one time step (snntorch's beta, sinabs' alpha,
    exp(-dt / tau)).
    """

    v_threshold: float | None = None
    decay: float | None = None
    tau_syn: float | None = None
    accumulates: bool = False  # it keeps its input in a current of its own, whose time constant is not known
    reset: str | None = None  # "subtract", "zero" or "none"
    surrogate: str | None = None
    multi_spike: bool | None = None  # a neuron can spike several times in one time step
    self_weight: float | None = None  # what a spike adds to its own neuron's next potential, where that is a parameter
    self_weight_name: str = ""  # the attribute that holds it
    input_gain: float = 1.0  # the factor of the input current: 1 - decay where it is normalized, 1 / tau ...
    lowest_threshold: float | None = None  # the smallest, where each neuron has its own; else v_threshold
    threshold_name: str = "threshold"  # the attribute that holds the threshold; empty where it cannot be set
    threshold_holder: Holder = Holder.ATTRIBUTE
    gain_switch: str = ""  # the attribute that is True where the layer scales its input down; else empty
    replaced_parameters: tuple[ReplacedParameter, ...] = ()
    learnable_by_default: bool = False  # its parameters require gradients without the user having asked for it
    without_gradient: tuple[str, ...] = ()  # parameters that the library computes without a gradient
    drops_state: bool = False  # the library begins each time step with zeros, whatever the state was
    attributes: tuple[str, ...] | None = None  # those of FIX_ATTRIBUTES that the layer has; None where that is unknown

    @property
    def tau_mem(self) -> float | None:
        """The membrane time constant in time steps, -1 / ln(decay); infinite for a neuron without leak."""
        if self.decay is None or self.decay <= 0:
            return None
        return math.inf if self.decay >= 1 else -1 / math.log(self.decay)
