"""matterhorn: a layer is called once per sequence, [time, batch, ...], and returns (spikes, last potential)."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from spikecheck.neuron import NeuronSpec
from spikecheck.probe.frameworks.base import (
    BATCH_FIRST,
    PER_STEP,
    TIME_FIRST,
    Framework,
    Observation,
    number,
    settable,
    tensors,
)

UNLEAKY, LEAKY, ANALOG = ("IF",), ("LIF",), ("LIAF",)


class Matterhorn(Framework):
    """Neurons of matterhorn-pytorch 2.0.

    The potential moves by (input - potential) / tau_m per step: the input is divided by tau_m. A layer starts fresh
    unless a potential is passed to it. `LIAF` returns an activation of the potential.
    """

    name: ClassVar = "matterhorn_pytorch"

    def spikes(self, module: nn.Module) -> bool:
        """Return whether it is a soma, but for those that return an activation of the potential."""
        home = sys.modules.get("matterhorn_pytorch.snn.soma")
        return home is not None and isinstance(module, home.Soma) and type(module).__name__ not in ANALOG

    def neuron(self, module: nn.Module) -> NeuronSpec:
        """Return threshold, decay, reset and firing function."""
        kind, tau = type(module).__name__, number(getattr(module, "tau_m", None))
        leak = 1 / tau if kind in LEAKY and tau else 0.0 if kind in UNLEAKY else None
        firing = getattr(module, "spiking_function", None)
        return NeuronSpec(
            v_threshold=number(getattr(module, "u_threshold", None)),
            decay=None if leak is None else 1 - leak,
            reset=("zero" if number(module.u_rest) == 0 else None) if module.hard_reset else "subtract",
            surrogate=None if firing is None else type(firing).__name__,
            multi_spike=bool(getattr(firing, "multi_spike_train", False)),
            input_gain=leak or 1.0,
            **settable(module, "u_threshold"),
        )

    def observe(self, module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any], output: Any) -> Observation:
        """Return spikes and current of the sequence; the potential of its last step."""
        spikes, state = output if isinstance(output, tuple) else (output, None)
        potential = state[0] if isinstance(state, tuple) else state
        layout = BATCH_FIRST if getattr(module, "batch_first", False) else TIME_FIRST
        current = args[0] if args else kwargs.get("x")
        return Observation(spikes, current, potential, layout, PER_STEP)

    def state(self, module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Tensor, ...]:
        """Return the potential that was passed."""
        passed = args[1] if len(args) > 1 else kwargs.get("h", kwargs.get("h_w"))
        return tensors(list(passed) if isinstance(passed, tuple) else [passed])
