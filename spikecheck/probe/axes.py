"""Time and batch of what does not show them: worked out from the layers that do, or left unknown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from torch import Tensor

from spikecheck.probe.layer import Layer
from spikecheck.site import Capture, Layout, SiteKind


def share_layout(layers: Iterable[Layer]) -> None:
    """A layer for whole sequences that does not show its time axis has that of the others, if the shapes agree."""
    every = list(layers)
    shown = [
        (layer.layout, layer.held[SiteKind.SPIKES][0].tensor.shape[:2])
        for layer in every
        if layer.layout is not None and layer.held[SiteKind.SPIKES]
    ]
    if len(set(shown)) == 1:
        layout, sizes = shown[0]
        for layer in every:
            if layer.calls == 1 and layer.layout is None:
                layer.adopt(layout, sizes)


def input_layout(tensor: Tensor, shown: Sequence[Capture[Tensor]]) -> Layout:
    """The input's axes, named after those of the first capture of a spiking layer; unknown where two could be meant."""
    if not shown or shown[0].layout.time is None:
        return Layout()
    time, batch, values = shown[0].layout.time, shown[0].layout.batch, shown[0].values
    shape = (len(values), *values[0].shape) if shown[0].stacked else values[0].shape
    sizes = [shape[time], None if batch is None else shape[batch]]
    where = [[axis for axis, n in enumerate(tensor.shape[:2]) if n == size] for size in sizes]
    if sizes[0] != sizes[1] and all(len(axes) <= 1 for axes in where) and where[0] != where[1]:
        return Layout(*(axes[0] if axes else None for axes in where))
    return Layout()
