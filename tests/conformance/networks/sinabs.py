"""sinabs: a layer is called once per sequence, [batch, time, neuron], and keeps its state."""

from __future__ import annotations

import sinabs.activation as sa
import sinabs.layers as sl
import torch
from torch import Tensor, nn

from tests.conformance.table import Kind

COUNTS = frozenset(map(float, range(1000)))


def batch_first(layer: nn.Module, current: Tensor) -> Tensor:
    return layer(current.movedim(0, 1)).movedim(1, 0)


def squeezed(layer: nn.Module, current: Tensor) -> Tensor:
    """The `Squeeze` layers take [batch * time, neuron]."""
    flat = current.movedim(0, 1)
    layer.batch_size, layer.num_timesteps = flat.shape[:2]
    return layer(flat.flatten(0, 1)).unflatten(0, flat.shape[:2]).movedim(1, 0)


def reset(model: nn.Module) -> None:
    """`sinabs.reset_states(model)` leaves out the layers that hold others, which the recurrent ones do."""
    for module in model.modules():
        if isinstance(module, sl.StatefulLayer):
            module.reset_states()


def kind(name, layer, run=batch_first, **more) -> Kind:
    return Kind("sinabs", name, layer, run, "sequence", reset, **more)


def feedback(n: int) -> nn.Module:
    """A recurrence with given weights: each neuron inhibits itself a little."""
    fc = nn.Linear(n, n, bias=False)
    with torch.no_grad():
        fc.weight.copy_(-0.1 * torch.eye(n))
    return fc


KINDS = [
    kind("IAF", lambda n: sl.IAF(), multi=True, values=COUNTS, main=True),
    kind("IAF SingleSpike", lambda n: sl.IAF(spike_fn=sa.SingleSpike)),
    kind("LIF", lambda n: sl.LIF(tau_mem=10.0), multi=True, values=COUNTS, gain=20.0),
    kind("LIF tau_syn", lambda n: sl.LIF(10.0, tau_syn=5.0, norm_input=False), multi=True, values=COUNTS),
    kind("ALIF", lambda n: sl.ALIF(tau_mem=10.0, tau_adapt=10.0), gain=20.0),
    kind("IAFSqueeze", lambda n: sl.IAFSqueeze(batch_size=1), squeezed, multi=True, values=COUNTS),
    kind("LIFRecurrent", lambda n: sl.LIFRecurrent(10.0, feedback(n), norm_input=False), multi=True, values=COUNTS),
]
