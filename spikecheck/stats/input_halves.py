"""Whether one half of the input is a copy of the other."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from spikecheck.readings import InputHalvesReading
from spikecheck.site import SiteKind
from spikecheck.stats.base import State, keep_first, merged_by
from spikecheck.stats.layout import Raster, RasterStatistic, is_known, stack


@dataclass(frozen=True)
class InputHalvesState(State):
    """One entry per axis of a sample: 1 if its halves ever differed, and if the entries of a half ever did."""

    different: Tensor = merged_by(torch.maximum)
    varied: Tensor = merged_by(torch.maximum)
    forward_passes: int = merged_by(operator.add)
    sample_shape: tuple[int, ...] = merged_by(keep_first)


class InputHalvesStats(RasterStatistic[InputHalvesState]):
    """Whether the two halves of the input along an axis are the same: one sensor in the place of two.

    Unit: none.
    Input: the input of the first forward pass of each window; the axes of time and batch have to be known.
    Memory: two numbers per axis. Cost: one comparison of the halves along each axis, once per window;
    in the host's memory, of one sample where that tells.
    Not visible: other copies, such as every second channel of a flattened input.
    """

    kind: ClassVar = SiteKind.INPUT
    reading: ClassVar = InputHalvesReading
    one_pass: ClassVar = "first"

    def measure_raster(self, raster: Raster) -> InputHalvesState:
        """Compare the halves along each axis of a sample."""
        layout, x = raster.capture.layout, raster.x
        shape = stack(raster.capture).shape
        known = layout.time is not None and layout.batch is not None and not raster.capture.axes_in_doubt
        axes = tuple(size for axis, size in enumerate(shape) if axis not in (layout.time, layout.batch))
        axes = axes if known else ()
        different, varied = [x.new_ones(())], [x.new_zeros(())]
        for axis, size in enumerate(axes):
            if size % 2 or not x.numel():
                different.append(x.new_full((), float(size % 2)))
                varied.append(x.new_zeros(()))
                continue
            of_axis = compare_halves(x[:, :1], axes, axis)  # most inputs show in one sample that these are no copies
            if x.shape[1] > 1 and not is_known(torch.stack(of_axis).all()):
                of_axis = compare_halves(x, axes, axis)
            different.append(of_axis[0].to(x.dtype))
            varied.append(of_axis[1].to(x.dtype))
        return InputHalvesState(torch.stack(different), torch.stack(varied), 1, axes)

    def summarize(self, state: InputHalvesState) -> tuple[InputHalvesReading, ...]:
        """Copy the comparisons to the host."""
        rows = zip(state.different.tolist()[1:], state.varied.tolist()[1:], strict=True)
        copies = tuple(axis for axis, (different, varied) in enumerate(rows) if varied and not different)
        return (InputHalvesReading(state.forward_passes, state.sample_shape, copies),)


def compare_halves(x: Tensor, axes: tuple[int, ...], axis: int) -> tuple[Tensor, Tensor]:
    """Return whether the halves of [time, batch, ...] along an axis differ anywhere, and the entries of a half."""
    one, other = x.reshape(*x.shape[:2], *axes).tensor_split(2, axis + 2)
    entries = one.reshape(*x.shape[:2], -1)
    return (one != other).any(), (entries.amax(2) != entries.amin(2)).any()
