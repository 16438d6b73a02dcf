"""Time and batch of what does not show them: worked out from the layers that do, or left unknown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from torch import Tensor

from spikecheck.probe.layer import WatchedLayer
from spikecheck.probe.recorder import Recorder
from spikecheck.site import Capture, Layout, SiteKind


def share_layout(recorder: Recorder, layers: Iterable[WatchedLayer]) -> None:
    """Give a layer that is called with whole sequences and shows no time axis that of the others, if shapes agree."""
    calls = [(watched.layer.layout, recorder.calls(watched.name)) for watched in layers]
    shown = [
        (layout, one.held[SiteKind.SPIKES][0].tensor.shape[:2])
        for layout, one in calls
        if layout is not None and one.held[SiteKind.SPIKES]
    ]
    if len(set(shown)) == 1:
        layout, sizes = shown[0]
        for own, one in calls:
            if one.count == 1 and own is None:
                one.adopt(layout, sizes)


def input_layout(tensor: Tensor, shown: Sequence[Capture[Tensor]]) -> Layout:
    """Return the input's axes, after those of a spiking layer's first capture; unknown where two would fit."""
    if not shown or shown[0].layout.time is None:
        return Layout()
    time, batch, values = shown[0].layout.time, shown[0].layout.batch, shown[0].values
    shape = (len(values), *values[0].shape) if shown[0].stacked else values[0].shape
    sizes = [shape[time], None if batch is None else shape[batch]]
    where = [[axis for axis, n in enumerate(tensor.shape[:2]) if n == size] for size in sizes]
    if sizes[0] != sizes[1] and all(len(axes) <= 1 for axes in where) and where[0] != where[1]:
        return Layout(*(axes[0] if axes else None for axes in where))
    return Layout()
