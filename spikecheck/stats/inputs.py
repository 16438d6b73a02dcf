"""The input of the model: values, event counts, and how they are distributed over frames and channels."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from spikecheck.readings import EvaluationInputReading, InputReading
from spikecheck.site import SiteKind
from spikecheck.stats.base import State, keep_first, merged_by
from spikecheck.stats.layout import (
    NonFiniteState,
    Raster,
    RasterStatistic,
    even_sample,
    extremes,
    fingerprint,
    is_known,
    maximum,
    merge_distinct,
    smallest_distinct,
    square_sum,
    to_float,
)
from spikecheck.stats.shares import ShareState

EQUAL_SUMS = 1e-5  # fraction of the largest sum: rounding of float32 sums in different orders
INPUT_SAMPLE_SIZE = 65_536  # sampled elements per forward pass: with 2% active, the share of counts has an error of 1%


def channel_maximum(a: Tensor, b: Tensor) -> Tensor:
    """Merge rule: the maximum per channel, padding the shorter vector with 0."""
    length = max(len(a), len(b))
    return torch.maximum(pad(a, (0, length - len(a))), pad(b, (0, length - len(b))))


@dataclass(frozen=True)
class InputState(State):
    """Sums and extremes of the input values."""

    total: Tensor = merged_by(torch.add)
    active: Tensor = merged_by(torch.add)
    above_one: Tensor = merged_by(torch.add)
    negative: Tensor = merged_by(torch.add)
    minimum: Tensor = merged_by(torch.minimum)
    maximum: Tensor = merged_by(torch.maximum)
    values: Tensor = merged_by(merge_distinct)
    non_integer: Tensor = merged_by(torch.add)
    bad: NonFiniteState = merged_by(operator.add)
    sampled_elements: int = merged_by(operator.add)
    forward_passes: int = merged_by(operator.add)
    elements: int = merged_by(operator.add)
    shape: tuple[int, ...] = merged_by(keep_first)
    dtype: str = merged_by(keep_first)
    filled: Tensor = merged_by(torch.add)
    empty: Tensor = merged_by(torch.add)
    densest_frame_share: Tensor = merged_by(torch.add)  # summed over the samples of passes whose time axis is known
    timed_samples: Tensor = merged_by(torch.add)  # those of them that hold anything
    constant: Tensor = merged_by(torch.add)
    batches: Tensor = merged_by(merge_distinct)
    step_variance_share: ShareState = merged_by(operator.add)
    frames: int = merged_by(operator.add)
    samples: int = merged_by(operator.add)
    steps: int | None = merged_by(keep_first)
    per_channel: Tensor = merged_by(channel_maximum)  # largest absolute sum over the batch; empty without a time axis


class Counts(NamedTuple):
    """How many elements of a sample are what, and which values there are. Where all are 0 or 1, their sum tells."""

    total: Tensor
    active: Tensor
    above_one: Tensor
    negative: Tensor
    non_integer: Tensor
    values: Tensor

    @classmethod
    def of(cls, raster: Raster, sample: Tensor, lowest: Tensor, highest: Tensor) -> Counts:
        """Count the elements of a sample; the extremes are those of the whole input."""
        total = sample.sum(dtype=torch.float64)
        none = torch.zeros_like(total)
        if sample.numel() and is_known((lowest >= 0) & (highest <= 1) & (square_sum(sample) == total)):
            return cls(total, total, none, none, none.long(), smallest_distinct(torch.stack([lowest, highest])))
        values = torch.cat([even_sample(sample), raster.step_maxima]) if sample.numel() else sample
        return cls(
            total,
            active=count(torch.ne, sample, 0),
            above_one=count(torch.gt, sample, 1),
            negative=count(torch.lt, sample, 0),
            non_integer=sample.frac().count_nonzero(),
            values=smallest_distinct(values),
        )


class InputStats(RasterStatistic[InputState]):
    """Input of the model: values, active elements, event counts, empty frames and samples, silent channels.

    Unit: events per bin, if the input holds events.
    Input: the input of one forward pass in any layout; quantities over time need a known time axis.
    Memory: one float per channel, three per time step, 16 values and 16 fingerprints. Cost: three reductions over the
    input per forward pass, and where a sample of 65,536 elements holds others than 0 and 1, one more, counts in that
    sample, and one sort of 4,096 elements.
    Not visible: the order of the channels.
    """

    kind: ClassVar = SiteKind.INPUT
    reading: ClassVar = InputReading
    evaluation_reading: ClassVar = EvaluationInputReading

    def measure_raster(self, raster: Raster) -> InputState:
        """Measure the input of one forward pass."""
        x, per_step, capture = raster.x, raster.batch_sums, raster.capture
        sample = even_sample(x, INPUT_SAMPLE_SIZE).contiguous()
        small_sample = even_sample(sample)
        lowest, highest = extremes(x)
        counts = Counts.of(raster, sample, lowest, highest)
        time_axis_known = raster.time_axis_known
        mass = torch.linalg.vector_norm(x, dim=2).square()  # [time, batch]; of a sum |x| would be copied first
        sample_mass = mass.sum(0)
        largest_frame = mass.amax(0) if len(mass) else sample_mass
        timed = (sample_mass != 0) & time_axis_known
        return InputState(
            total=counts.total,
            active=counts.active,
            above_one=counts.above_one,
            negative=counts.negative,
            minimum=lowest,
            maximum=highest,
            values=counts.values,
            non_integer=counts.non_integer,
            bad=NonFiniteState.of_steps(raster.step_sums, capture.update),
            sampled_elements=sample.numel(),
            forward_passes=1,
            elements=x.numel(),
            shape=(len(capture.values), *capture.values[0].shape)
            if capture.stacked
            else tuple(capture.values[0].shape),
            dtype=str(capture.values[0].dtype).removeprefix("torch."),
            steps=x.shape[0] if time_axis_known else None,
            filled=torch.count_nonzero(mass),
            empty=(sample_mass == 0).sum(),
            densest_frame_share=((largest_frame.double() / sample_mass).nan_to_num(0, 0, 0) * timed).sum(),
            timed_samples=timed.sum(),
            constant=constant_over_time(torch.cat([per_step, mass], 1), mass.numel()),
            batches=smallest_distinct(fingerprint(torch.cat([small_sample, mass.flatten()]).unsqueeze(0))),
            step_variance_share=ShareState.of(mass.sum(1)),
            frames=mass.numel(),
            samples=mass.shape[1],
            per_channel=maximum(per_step.abs(), (0,)) if time_axis_known and x.numel() else x.new_zeros(0),
        )

    def summarize(self, state: InputState) -> tuple[InputReading, ...]:
        """Copy the counts to the host."""
        active_channels = [value != 0 for value in state.per_channel.tolist()]
        return (
            InputReading(
                forward_passes=state.forward_passes,
                shape=state.shape,
                dtype=state.dtype,
                time_steps=state.steps,
                elements=state.elements,
                count=state.total.item(),
                active=int(state.active),
                above_one=int(state.above_one),
                negative=int(state.negative),
                minimum=to_float(state.minimum, state.elements),
                maximum=to_float(state.maximum, state.elements),
                values=tuple(v + 0.0 for v in state.values.tolist() if v != torch.inf),
                sampled_elements=state.sampled_elements,
                non_integer=int(state.non_integer),
                non_finite=state.bad.reading(state.steps is not None),
                frames=state.frames,
                filled_frames=int(state.filled),
                samples=state.samples,
                empty_samples=int(state.empty),
                densest_frame_share=state.densest_frame_share.item() / max(1, int(state.timed_samples)),
                constant_forward_passes=int(state.constant),
                distinct_batches=int(state.batches.isfinite().sum()),
                profile=tuple(state.step_variance_share.profile().tolist()),
                channels=len(active_channels),
                silent_channels=active_channels.count(False),
                silent_half=silent_half(active_channels),
            ),
        )


def count(comparison: Callable[..., Tensor], x: Tensor, value: float) -> Tensor:
    """Count the elements for which a comparison with a value holds; floats are faster than bools on a CPU."""
    return comparison(x, value, out=torch.empty_like(x)).sum(dtype=torch.float64)


def silent_half(active_channels: list[bool]) -> bool:
    """Return whether one half of the channels is silent while most of the other half is active.

    Halves are those of flattened frames with two polarities: [polarity, pixel] and [pixel, polarity].
    """
    middle = len(active_channels) // 2
    pairs = (
        ((active_channels[:middle], active_channels[middle:]), (active_channels[::2], active_channels[1::2]))
        if len(active_channels) == 2 * middle
        else ()
    )
    return any(sum(a) == 0 and 2 * sum(b) > middle for one, other in pairs for a, b in ((one, other), (other, one)))


def constant_over_time(sums: Tensor, frames: int) -> Tensor:
    """Return 1 if all time steps of the sums [time, n] are equal, else 0; 0 for a single step or no frames."""
    if len(sums) <= 1 or not frames:
        return sums.new_zeros((), dtype=torch.int64)
    largest = sums.abs().amax()
    return (((sums.amax(0) - sums.amin(0)).amax() <= EQUAL_SUMS * largest) & largest.isfinite()).long()
