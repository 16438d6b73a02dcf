"""snntorch: a layer is called once per time step; its state is passed on by the script, or kept (`init_hidden`)."""

from __future__ import annotations

import snntorch as snn
import torch
from snntorch import utils
from torch import Tensor, nn

from tests.conformance.table import Kind, stepwise, whole


def state_passed_on(layer: nn.Module, current: Tensor) -> Tensor:
    """(spikes, states...) = layer(current, states...); recurrent layers start from their spikes too."""
    recurrent = isinstance(layer, snn.RLeaky | snn.RSynaptic)
    state, shown = tuple(torch.zeros_like(current[0]) for _ in layer.reset_mem_names), []
    for step in current:
        out = layer(step, *state)
        state = out if recurrent else out[1:]
        shown.append(out[0])
    return torch.stack(shown)


def named(layer: nn.Module, *states: str) -> nn.Module:
    layer.reset_mem_names = states
    return layer


def keeps_state(layer: nn.Module, current: Tensor) -> Tensor:
    """`init_hidden=True, output=True`: a tuple, with the state kept as well."""
    return torch.stack([layer(step)[0] for step in current])


def first(layer: nn.Module, current: Tensor) -> Tensor:
    return layer(current)[0]


def clear() -> None:
    """`utils.reset` resets the layers of every model that there was, and fails on states that vmap left in them."""
    snn.SpikingNeuron.instances.clear()


def kind(name, layer, run=state_passed_on, sees="step", **more) -> Kind:
    return Kind("snntorch", name, layer, run, sees, **more)


R = {"all_to_all": False, "V": 0.2}  # recurrence from each neuron to itself: weights that are given, not drawn

KINDS = [
    kind("Leaky", lambda n: named(snn.Leaky(beta=0.9), "mem"), clear=clear, main=True),
    kind("Leaky init_hidden", lambda n: snn.Leaky(beta=0.9, init_hidden=True), stepwise, reset=utils.reset),
    kind("Leaky output", lambda n: snn.Leaky(beta=0.9, init_hidden=True, output=True), keeps_state, reset=utils.reset),
    kind("Leaky graded", lambda n: named(snn.Leaky(beta=0.9, graded_spikes_factor=2.5), "mem"), values={0.0, 2.5}),
    kind("Lapicque", lambda n: named(snn.Lapicque(beta=0.8), "mem"), gain=6.0),
    kind("Synaptic", lambda n: named(snn.Synaptic(alpha=0.5, beta=0.8), "syn", "mem")),
    kind("Alpha", lambda n: named(snn.Alpha(alpha=0.8, beta=0.6), "exc", "inh", "mem"), gain=4.0),
    kind("RLeaky", lambda n: named(snn.RLeaky(beta=0.8, **R), "spk", "mem")),
    kind("RSynaptic", lambda n: named(snn.RSynaptic(alpha=0.5, beta=0.8, **R), "spk", "syn", "mem")),
    kind("SLSTM", lambda n: named(snn.SLSTM(n, n, threshold=0.1), "syn", "mem"), current=False, compiles=False),
    kind("LeakyParallel", lambda n: snn.LeakyParallel(n, n), whole, "sequence", potential=False, current=False),
    kind("StateLeaky", lambda n: snn.StateLeaky(beta=0.9, channels=n, output=True), first, "sequence"),
]
