"""norse: cells are called once per step, layers once per sequence, [time, batch, ...]; both return (spikes, state)."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, ClassVar

from torch import Tensor, nn

from spikecheck.neuron import Holder, NeuronChange, NeuronSpec
from spikecheck.probe.frameworks.base import PER_STEP, TIME_FIRST, Framework, Observation, number, tensors

CELLS = ("SNNCell", "SNNRecurrentCell")
SEQUENCES = ("SNN", "SNNRecurrent")
ALONE = ("CobaLIFCell", "LIFCorrelation")  # spiking cells that share no base class with the others
POTENTIALS = ("LI", "LICell", "LIBoxCell")  # leaky integrators: they return potentials
STEP = 0.001  # seconds, the default of `dt`
NONLINEAR = ("delta_T", "e_rev_I")  # parameters of neurons whose potential does not shrink by a factor
INNER = ("lif", "lif_adex")  # where the parameters of a refractory neuron hold those of the neuron inside


@cache
def of(names: tuple[str, ...]) -> tuple[type, ...]:
    """Return the classes of these names, as far as this version has them."""
    homes = [sys.modules.get("norse.torch"), sys.modules.get("norse.torch.module.snn")]
    return tuple({getattr(home, name) for name in names for home in homes if hasattr(home, name)})


def parameters(module: nn.Module) -> Any:
    """Return the neuron's parameters; those of a refractory neuron hold those of the neuron inside."""
    p = getattr(module, "p", None)
    return next((getattr(p, part) for part in INNER if hasattr(p, part)), p)


def named(state: Any, names: tuple[str, ...]) -> Iterator[Any]:
    """Yield the entries of these names in a state, and in the states inside it."""
    for name in getattr(state, "_fields", ()):
        value = getattr(state, name)
        if name in names:
            yield value
        elif hasattr(value, "_fields"):
            yield from named(value, names)


class Norse(Framework):
    """Layers of norse 1.1.

    Time constants are inverse, in 1 / s, and a step is `dt` = 0.001 s: in one step the potential shrinks by
    1 - dt * tau_mem_inv, and the current is multiplied by dt * tau_mem_inv, 0.1 by default. The state is passed from
    call to call by the script; a layer that gets none starts fresh. Every spike is 0 or 1.
    """

    name: ClassVar = "norse"
    input_weight: ClassVar = "input_weights"

    def spikes(self, module: nn.Module) -> bool:
        """Return whether it is a cell or layer, but for the leaky integrators."""
        if "norse.torch" not in sys.modules:
            return False
        return isinstance(module, of((*CELLS, *SEQUENCES, *ALONE))) and not isinstance(module, of(POTENTIALS))

    def neuron(self, module: nn.Module) -> NeuronSpec:
        """Return threshold, decay, synapse, reset and surrogate."""
        p, dt = parameters(module), number(getattr(module, "dt", None))
        membrane, synapse = number(getattr(p, "tau_mem_inv", None)), number(getattr(p, "tau_syn_inv", None))
        linear = dt is not None and not any(hasattr(p, name) for name in NONLINEAR)
        share = membrane * dt if linear and membrane is not None and dt is not None else None
        remaining = 1 - synapse * dt if synapse is not None and dt is not None else 0.0
        leakless = linear and membrane is None and isinstance(module, of(("IAF", "IAFCell")))
        name = "v_thresh" if hasattr(p, "v_thresh") else "v_th"
        inner = next((f"{part}." for part in INNER if hasattr(getattr(module, "p", None), part)), "")
        return NeuronSpec(
            v_threshold=number(getattr(p, name, None)),
            decay=1.0 if leakless else None if share is None else 1 - share,
            tau_syn=-1 / math.log(remaining) if 0 < remaining < 1 else None,
            reset="zero" if number(getattr(p, "v_reset", None)) == 0 else None,
            surrogate=getattr(p, "method", None),
            multi_spike=False,
            input_gain=1.0 if share is None else share,
            threshold_name=f"p.{inner}{name}",
            threshold_holder=Holder.NAMED_TUPLE,
        )

    def code_for(self, change: NeuronChange, module: nn.Module, value: float = 0.0) -> str:
        """Return code for neurons with a membrane time constant."""
        p, dt = getattr(module, "p", None), number(getattr(module, "dt", None))
        if not hasattr(p, "_replace"):
            return ""
        if change is NeuronChange.DECAY and hasattr(p, "tau_mem_inv") and dt:
            # where a time step is longer than the time constant of its synapses, their current grows too
            too_long = dt * (number(getattr(p, "tau_syn_inv", None)) or 0.0) > 1
            dt = STEP if too_long else dt
            code = f"layer.p = layer.p._replace(tau_mem_inv=torch.tensor({(1 - value) / dt:.3g}))"
            return f"layer.dt = {dt}\n{code}" if too_long else code
        if change is NeuronChange.SURROGATE_WIDTH and hasattr(p, "method"):
            return 'layer.p = layer.p._replace(method="super")'
        return ""

    def observe(self, module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any], output: Any) -> Observation:
        """Return spikes, and the potential in the state; a recurrent layer makes its current inside."""
        spikes, state = output if isinstance(output, tuple) and len(output) == 2 else (output, None)
        first = args[0] if args else kwargs.get("input_tensor")
        current = first if isinstance(first, Tensor) and not hasattr(module, "recurrent_weights") else None
        potential = next(named(state, ("v",)), None)
        if not isinstance(module, of(SEQUENCES)):
            return Observation(spikes, current, potential, PER_STEP)
        every = bool(getattr(module, "record_states", False))
        return Observation(spikes, current, potential, TIME_FIRST, TIME_FIRST if every else PER_STEP)

    def state(self, module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Tensor, ...]:
        """Return potential and current of the state that was passed."""
        passed = args[1] if len(args) > 1 else kwargs.get("state")
        return tensors(list(named(passed, ("v", "i"))))
