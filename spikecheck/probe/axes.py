"""Time and batch of what does not show them: worked out from the layers that do, or left unknown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from torch import Tensor

from spikecheck.errors import SpikecheckError
from spikecheck.probe.layer import WatchedLayer
from spikecheck.probe.recorder import Recorder
from spikecheck.probe.trace import Trace
from spikecheck.site import Capture, Layout, SiteKind


def read_layout(recorder: Recorder, layers: Iterable[WatchedLayer], trace: Trace) -> None:
    """Read the time axis of a layer that loops inside its call, and shows no graph, off the calls of its parts."""
    for watched in layers:
        calls = recorder.calls(watched.name)
        held = calls.held[SiteKind.SPIKES]
        if watched.layer.framework.shows_time or watched.layer.layout is not None or calls.count != 1 or not len(held):
            continue
        axis = looped_axis(held.tensors[0].shape, trace.inside(watched.name))
        if axis is not None:
            layout = Layout(axis, 1 if axis == 0 else 0)
            watched.learn_layout(layout)
            for kind in (SiteKind.SPIKES, SiteKind.CURRENT):
                calls.held[kind].layouts = [layout] * len(calls.held[kind])


def looped_axis(shape: Sequence[int], parts: Sequence[tuple[int, Sequence[int]]]) -> int | None:
    """Return the axis along which a part was called once per entry, each time for one slice; None if several fit."""
    axes = {
        axis
        for calls, part in parts
        for axis, size in enumerate(shape)
        if calls == size > 1 and len(part) == len(shape) - 1
        if tuple(part) == (*shape[:axis], *shape[axis + 1 :])
    }
    return axes.pop() if len(axes) == 1 else None


def share_layout(recorder: Recorder, layers: Sequence[WatchedLayer], trace: Trace) -> None:
    """Give a layer that is called with whole sequences and shows no time axis that of the others, if shapes agree."""
    read_layout(recorder, layers, trace)
    calls = [(watched.layer.layout, recorder.calls(watched.name)) for watched in layers]
    shown = [
        (layout, one.held[SiteKind.SPIKES].tensors[0].shape[:2])
        for layout, one in calls
        if layout is not None and len(one.held[SiteKind.SPIKES])
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


Axes = int | Mapping[str, int] | None  # of all layers written by hand, by name, or not given


def give_axes(layers: Iterable[WatchedLayer], time: Axes, batch: Axes) -> None:
    """Give layers the axes that the user names; SpikecheckError for a name that no layer has."""
    watched = list(layers)
    known = {one.name for one in watched}
    for argument, axes in (("time", time), ("batch", batch)):
        if isinstance(axes, Mapping) and (unknown := sorted(set(axes) - known)):
            raise SpikecheckError(f"{argument}= names {unknown[0]!r}, which is no layer: {', '.join(sorted(known))}")
        values = axes.values() if isinstance(axes, Mapping) else [] if axes is None else [axes]
        if any(not isinstance(value, int) or isinstance(value, bool) for value in values):
            raise SpikecheckError(f"{argument}= takes the number of an axis, or a dict of them by layer, got {axes!r}")
    for one in watched:
        axis = axis_of(one, time)
        if axis is not None:
            samples = axis_of(one, batch)
            layout = Layout(axis, (1 if axis == 0 else 0) if samples is None else samples)
            one.layer, one.axes_given = replace(one.layer, layout=layout), True


def axis_of(watched: WatchedLayer, axes: Axes) -> int | None:
    """Return the axis that is given for a layer; a number alone is for those whose library does not tell."""
    if isinstance(axes, Mapping):
        return axes.get(watched.name)
    return None if watched.layer.framework.shows_time else axes
