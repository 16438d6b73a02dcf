"""rockpool: a layer is called once per sequence, [batch, time, neuron], and its hook gets the spikes alone."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, ClassVar

from torch import Tensor, nn

from spikecheck.neuron import NeuronChange, NeuronSpec
from spikecheck.probe.frameworks.base import BATCH_FIRST, PER_STEP, Framework, Observation, number, settable, tensors

SPIKING = ("LIFTorch", "aLIFTorch", "LIFBitshiftTorch", "LIFNeuronTorch")


@cache
def spiking() -> tuple[type, ...]:
    """Return the layers that spike, as far as this version has them; they stand there once torch's were asked for."""
    library = sys.modules.get("rockpool.nn.modules.torch")
    return tuple(getattr(library, name) for name in SPIKING if hasattr(library, name))


class Rockpool(Framework):
    """Layers of rockpool 3.1 that run on torch.

    A neuron emits up to `max_spikes_per_dt` spikes per step, 65536 by default, and subtracts as many thresholds. Times
    are in seconds and a step is `dt`. The synaptic current decays before it reaches the membrane, so the first step
    passes a share of exp(-dt / tau_syn). The state stays from call to call, that of the first sample for all.
    """

    name: ClassVar = "rockpool"

    def spikes(self, module: nn.Module) -> bool:
        """Return whether it is a leaky integrate-and-fire layer."""
        return "rockpool.nn.modules.torch" in sys.modules and isinstance(module, spiking())

    def neuron(self, module: nn.Module) -> NeuronSpec:
        """Return threshold, decay, synapse and surrogate."""
        dt, tau_syn = number(getattr(module, "dt", None)), number(getattr(module, "tau_syn", None))
        tau_mem, decay = number(getattr(module, "tau_mem", None)), number(getattr(module, "alpha", None))
        if decay is None and tau_mem and dt:
            decay = math.exp(-dt / tau_mem)
        most, gain = number(getattr(module, "max_spikes_per_dt", None)), number(getattr(module, "beta", None))
        function = getattr(getattr(module, "spike_generation_fn", None), "__self__", None)
        return NeuronSpec(
            v_threshold=number(getattr(module, "threshold", None)),
            decay=decay,
            tau_syn=tau_syn / dt if tau_syn and dt else None,
            reset="subtract",
            surrogate=getattr(function, "__name__", None),
            multi_spike=None if most is None else most > 1,
            input_gain=1.0 if gain is None else gain,
            learnable_by_default=True,
            **settable(module, "threshold"),
        )

    def code_for(self, change: NeuronChange, module: nn.Module, value: float = 0.0) -> str:
        """Return code for the time constant, the number of spikes and the window of the surrogate gradient."""
        dt, most = number(getattr(module, "dt", None)), number(getattr(module, "max_spikes_per_dt", None))
        if change is NeuronChange.DECAY and hasattr(module, "tau_mem") and dt and 0 < value < 1:
            return f"layer.tau_mem.data = torch.full_like(layer.tau_mem, {-dt / math.log(value):.3g})"
        if change is NeuronChange.SINGLE_SPIKE and most is not None and most > 1:
            return "layer.max_spikes_per_dt = torch.tensor(1.0)"
        if change is NeuronChange.SURROGATE_WIDTH and hasattr(module, "learning_window"):
            return f"layer.learning_window = torch.tensor({value / 2:.2g})"
        if change is NeuronChange.FRESH_STATE:
            return "layer.reset_state()"
        return ""

    def observe(self, module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any], output: Any) -> Observation:
        """Return spikes and current; the potential of every step where it is recorded, else the first sample's last."""
        spikes = output[0] if isinstance(output, tuple) else output
        current = args[0] if args else next(iter(kwargs.values()), None)
        if isinstance(current, Tensor) and isinstance(spikes, Tensor) and current.dim() == spikes.dim() - 1:
            current = current.unsqueeze(0)  # the layer gives a single sample a batch axis
        if not isinstance(current, Tensor) or current.shape != spikes.shape:
            current = None
        recorded = getattr(module, "_record_dict", {}).get("vmem") if getattr(module, "_record", False) else None
        if isinstance(recorded, Tensor):
            return Observation(spikes, current, recorded, BATCH_FIRST)
        vmem = getattr(module, "vmem", None)
        last = vmem.unsqueeze(0) if isinstance(vmem, Tensor) and vmem.dim() == 1 else None
        return Observation(spikes, current, last, BATCH_FIRST, PER_STEP)

    def state(self, module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Tensor, ...]:
        """Return potential and synaptic current that the layer kept."""
        return tensors([getattr(module, "vmem", None), getattr(module, "isyn", None)])
