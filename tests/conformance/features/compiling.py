"""What `torch.compile` makes of a watched model: no more than of the same model alone."""

from __future__ import annotations

from contextlib import nullcontext
from typing import NamedTuple

import torch
from torch import Tensor

from tests.conformance.features.registry import NotApplicable, feature, unharmed, watched
from tests.conformance.table import Kind, Net, train

UPDATES = 2  # what recompiles does so in the second, where the state and the hooks of the first are gone
STEPS = 2  # the loop over time is unrolled, so that more of them cost more and show nothing more
OWN_BREAKS = "its own code breaks the graph; watched, it has no break more, but a Linear is compiled apart at first"


class Compiled(NamedTuple):
    """A training of a compiled model."""

    breaks: int
    recompiles: int
    losses: list[Tensor]
    spikes: list[float]  # of each layer, where it was watched


def compiled(kind: Kind, backend: str, *, watching: bool) -> Compiled:
    """Train the network, compiled again."""
    from torch._dynamo.convert_frame import FRAME_COMPILE_COUNTER
    from torch._dynamo.utils import counters

    torch._dynamo.reset()
    if kind.clear is not None:
        kind.clear()
    counters.clear()
    torch.manual_seed(5)
    model = Net(kind)
    with watched(model) if watching else nullcontext() as monitor:
        losses = train(torch.compile(model, backend=backend), UPDATES, steps=STEPS)
        read = [] if monitor is None else [row.spikes for row in unharmed(monitor).layers]
    assert all(spikes.forward_passes == UPDATES for spikes in read)
    recompiles = sum(FRAME_COMPILE_COUNTER.values()) - len(FRAME_COMPILE_COUNTER)
    return Compiled(sum(counters["graph_break"].values()), recompiles, losses, [spikes.count for spikes in read])


def same(alone: Compiled, with_us: Compiled) -> None:
    """Watching changed nothing, and compiled nothing more where the graph is whole."""
    assert with_us.breaks == alone.breaks
    assert alone.breaks or with_us.recompiles == alone.recompiles
    assert all(torch.equal(a, b) for a, b in zip(alone.losses, with_us.losses, strict=True))
    assert with_us.spikes[0] > 0


@feature("`torch.compile`, eager and aot_eager: no break, no recompile")
def compiles(kind: Kind) -> None:
    if not kind.compiles:
        raise NotApplicable("does not compile in one graph by itself")
    alone = compiled(kind, "eager", watching=False)
    eager = compiled(kind, "eager", watching=True)
    same(alone, eager)
    if alone.breaks:
        raise NotApplicable(OWN_BREAKS)
    aot = compiled(kind, "aot_eager", watching=True)
    same(alone, aot)  # aot_eager runs the same kernels, so that its losses are the same
    assert aot.spikes == eager.spikes
