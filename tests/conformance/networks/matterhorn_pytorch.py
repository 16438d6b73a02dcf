"""matterhorn: a layer is called once per sequence, [time, batch, neuron] by default, and keeps nothing."""

from __future__ import annotations

import matterhorn_pytorch.snn as mh
from torch import Tensor, nn

from tests.conformance.table import Kind, first_of, whole


def batch_first(layer: nn.Module, current: Tensor) -> Tensor:
    return layer(current.movedim(0, 1))[0].movedim(1, 0)


def kind(name, layer, run=first_of, **more) -> Kind:
    return Kind("matterhorn_pytorch", name, layer, run, "sequence", gain=4.0, compiles=False, **more)


KINDS = [
    kind("LIF", lambda n: mh.LIF(), main=True),
    kind("IF", lambda n: mh.IF(hard_reset=False)),
    kind("LIF batch_first", lambda n: mh.LIF(batch_first=True), batch_first),
    kind("LIF bare", lambda n: mh.LIF(return_states=False), whole, potential=False),
]
