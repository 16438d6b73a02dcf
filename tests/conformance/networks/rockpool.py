"""rockpool: a layer is called once per sequence, [batch, time, neuron], and returns (spikes, state, record)."""

from __future__ import annotations

from rockpool.nn.modules import LIFTorch
from rockpool.nn.modules.torch import LIFNeuronTorch
from torch import Tensor, nn

from tests.conformance.table import Kind

COUNTS = frozenset(map(float, range(1000)))


def batch_first(layer: nn.Module, current: Tensor) -> Tensor:
    return layer(current.movedim(0, 1))[0].movedim(1, 0)


def reset(model: nn.Module) -> None:
    for _, module in model.named_modules():
        if isinstance(module, LIFTorch | LIFNeuronTorch):
            module.reset_state()


def kind(name, layer, **more) -> Kind:
    more = {"gain": 0.7, "compiles": False, "multi": True, "values": COUNTS} | more
    return Kind("rockpool", name, layer, batch_first, "sequence", reset, **more)


KINDS = [
    kind("LIFTorch", lambda n: LIFTorch(n, dt=1e-3), main=True),
    kind("LIFTorch one spike", lambda n: LIFTorch(n, dt=1e-3, max_spikes_per_dt=1), multi=False, values={0.0, 1.0}),
    kind("LIFNeuronTorch", lambda n: LIFNeuronTorch((n,), dt=1e-3)),
]
