"""sinabs: a layer is called once per sequence, [batch, time, ...]; the `Squeeze` ones take [batch * time, ...]."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from spikecheck.neuron import Holder, NeuronChange, NeuronSpec
from spikecheck.probe.frameworks.base import BATCH_FIRST, PER_STEP, Framework, Observation, number, tensors

RESETS = {"MembraneSubtract": "subtract", "MembraneReset": "zero"}


class Sinabs(Framework):
    """Layers of sinabs 3.1.

    `LIF` and `IAF` emit floor(v / threshold) spikes per step unless they get `spike_fn=SingleSpike`. `LIF`
    multiplies its input by 1 - decay unless `norm_input=False`; with `tau_syn`, the current decays once before it
    reaches the membrane. `ExpLeak` keeps a potential and emits no spikes.
    """

    name: ClassVar = "sinabs"

    def spikes(self, module: nn.Module) -> bool:
        """Return whether it is a stateful layer that says it spikes."""
        layers = sys.modules.get("sinabs.layers")
        return layers is not None and isinstance(module, layers.StatefulLayer) and bool(module.does_spike)

    def neuron(self, module: nn.Module) -> NeuronSpec:
        """Return threshold, decay, reset, spike function and surrogate."""
        decay = number(getattr(module, "alpha_mem_calculated", None))
        synapse = number(getattr(module, "alpha_syn_calculated", None))
        normalized = bool(getattr(module, "norm_input", False)) and decay is not None
        gain = 1 - decay if normalized and decay is not None else 1.0
        return NeuronSpec(
            v_threshold=number(getattr(module, "spike_threshold", None)),
            decay=decay,
            tau_syn=-1 / math.log(synapse) if synapse is not None and 0 < synapse < 1 else None,
            reset=RESETS.get(type(getattr(module, "reset_fn", None)).__name__),
            surrogate=type(getattr(module, "surrogate_grad_fn", None)).__name__,
            multi_spike=getattr(getattr(module, "spike_fn", None), "__name__", "") == "MultiSpike",
            input_gain=gain if synapse is None else gain * synapse,
            learnable_by_default=True,
            without_gradient=("spike_threshold",),
            threshold_name="spike_threshold",
            threshold_holder=Holder.SHARED_TENSOR,  # one default tensor serves every layer
            gain_switch="norm_input" if normalized else "",
        )

    def code_for(self, change: NeuronChange, module: nn.Module, value: float = 0.0) -> str:
        """Return code for the functions that make spikes, and for the time constant of the membrane."""
        if change is NeuronChange.DECAY and getattr(module, "tau_mem", None) is not None and 0 < value < 1:
            tau = "layer.tau_mem"
            return f"{tau}.data = torch.full_like({tau}, {-1 / math.log(value):.3g})\nlayer.norm_input = False"
        if change is NeuronChange.SURROGATE_WIDTH and hasattr(module, "surrogate_grad_fn"):
            width = f"{value / 2:.2g}"
            home = "from sinabs.activation import SingleExponential"
            return f"{home}\nlayer.surrogate_grad_fn = SingleExponential(grad_width={width})"
        if change is NeuronChange.SINGLE_SPIKE and getattr(module.spike_fn, "__name__", "") == "MultiSpike":
            return "from sinabs.activation import SingleSpike\nlayer.spike_fn = SingleSpike"
        if change is NeuronChange.FRESH_STATE:
            return "layer.reset_states()"
        return ""

    def observe(self, module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any], output: Any) -> Observation:
        """Return spikes and current of the sequence; the potential of its last step."""
        current, returned = args[0] if args else kwargs.get("input_data"), output
        batch, steps = getattr(module, "batch_size", None), getattr(module, "num_timesteps", None)
        if isinstance(batch, int) and isinstance(steps, int):
            output = torch.unflatten(output, 0, (batch, steps))
            current = torch.unflatten(current, 0, (batch, steps)) if isinstance(current, Tensor) else None
        potential = getattr(module, "v_mem", None)
        shown = potential if isinstance(potential, Tensor) and potential.numel() else None
        return Observation(output, current, shown, BATCH_FIRST, PER_STEP, returned)

    def state(self, module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Tensor, ...]:
        """Return the potential and the synaptic current that the layer kept."""
        return tensors([getattr(module, "v_mem", None), getattr(module, "i_syn", None)])
