"""norse: cells are called once per step, layers once per sequence; both return (spikes, state), and keep nothing."""

from __future__ import annotations

import norse.torch as nt
import torch
from torch import Tensor, nn

from tests.conformance.table import Kind, first_of


def called_per_time_step(layer: nn.Module, current: Tensor) -> Tensor:
    state, shown = None, []
    for step in current:
        spikes, state = layer(step, state)
        shown.append(spikes)
    return torch.stack(shown)


def recurrent(layer: type, n: int) -> nn.Module:
    """With given weights: the input as it is, and a little inhibition from each neuron to the next."""
    own = torch.roll(torch.eye(n), 1, 0) * -0.1
    return layer(n, n, input_weights=nn.Parameter(torch.eye(n)), recurrent_weights=nn.Parameter(own))


def cell(name, layer, **more) -> Kind:
    return Kind("norse", name, layer, called_per_time_step, "step", **({"gain": 8.0} | more))


def sequence(name, layer, **more) -> Kind:
    return Kind("norse", name, layer, first_of, "sequence", **({"gain": 8.0} | more))


KINDS = [
    cell("LIFCell", lambda n: nt.LIFCell(), main=True),
    cell("LIFBoxCell", lambda n: nt.LIFBoxCell(), gain=20.0),
    cell("LIFRefracCell", lambda n: nt.LIFRefracCell()),
    cell("LSNNCell", lambda n: nt.LSNNCell(nt.LSNNParameters(v_th=torch.tensor(0.3)))),
    cell("LIFRecurrentCell", lambda n: recurrent(nt.LIFRecurrentCell, n), current=False),
    sequence("LIF", lambda n: nt.LIF()),
    sequence("LIF record_states", lambda n: nt.LIF(record_states=True)),
    sequence("LIFRecurrent", lambda n: recurrent(nt.LIFRecurrent, n), current=False),
]
