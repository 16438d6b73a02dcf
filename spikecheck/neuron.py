"""What is known of a spiking layer's neurons, in NIR's words."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReplacedParameter:
    """A parameter in whose place its library uses another value, without a word: snntorch clamps `beta` to [0, 1].

    `learned`: an optimizer may have carried it there.
    """

    name: str
    requested: float
    effective: float
    learned: bool = False


@dataclass(frozen=True, slots=True)
class NeuronSpec:
    """Parameters of a spiking layer; None is unknown, never a guess.

    A layer with a value a neuron gives the mean. Values are those that the layer uses. Time is in steps. `decay` is the
    factor by which the potential shrinks in one step (snntorch's beta, sinabs' alpha, exp(-dt / tau)).
    """

    v_threshold: float | None = None
    decay: float | None = None
    tau_syn: float | None = None
    reset: str | None = None  # "subtract", "zero" or "none"
    surrogate: str | None = None
    multi_spike: bool | None = None  # may a neuron spike several times in one step?
    input_gain: float = 1.0  # what a layer multiplies its input by: 1 - decay where it normalises, 1 / tau ...
    lowest_threshold: float | None = None  # where each neuron has its own, the smallest; else as v_threshold
    threshold_name: str = "threshold"  # the attribute that holds the threshold, for the text of a fix
    replaced_parameters: tuple[ReplacedParameter, ...] = ()

    @property
    def tau_mem(self) -> float | None:
        """Membrane time constant in steps, -1 / ln(decay); infinite for a neuron without leak."""
        if self.decay is None or self.decay <= 0:
            return None
        return math.inf if self.decay >= 1 else -1 / math.log(self.decay)
