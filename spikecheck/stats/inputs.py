"""What the model is called with: values, and how many of them count more than one event."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import pad

from spikecheck.readings import InputReading
from spikecheck.site import Capture, SiteKind
from spikecheck.stats.arrange import (
    BadState,
    arranged,
    closely,
    distinct,
    fingerprint,
    highest,
    join_distinct,
    lowest,
    told,
)
from spikecheck.stats.base import State, Statistic, earliest, merged
from spikecheck.stats.parts import PartState

ALIKE = 1e-5  # of the largest sum: what float32 rounds when it adds up the same values in another order
COUNTED = 65_536  # elements a forward whose values are counted: at 2 % active, the share of counts is known to 1 %


def highest_of(a: Tensor, b: Tensor) -> Tensor:
    """Rule of a field with an entry a channel, of which a later forward may have more or fewer."""
    most = max(len(a), len(b))
    return torch.maximum(pad(a, (0, most - len(a))), pad(b, (0, most - len(b))))


@dataclass(frozen=True)
class InputState(State):
    """Sums and extremes of the input's values."""

    total: Tensor = merged(torch.add)
    active: Tensor = merged(torch.add)
    above_one: Tensor = merged(torch.add)
    negative: Tensor = merged(torch.add)
    minimum: Tensor = merged(torch.minimum)
    maximum: Tensor = merged(torch.maximum)
    values: Tensor = merged(join_distinct)
    non_integer: Tensor = merged(torch.add)
    bad: BadState = merged(operator.add)
    sampled_elements: int = merged(operator.add)
    forward_passes: int = merged(operator.add)
    elements: int = merged(operator.add)
    shape: tuple[int, ...] = merged(earliest)
    dtype: str = merged(earliest)
    filled: Tensor = merged(torch.add)
    empty: Tensor = merged(torch.add)
    densest_frame_share: Tensor = merged(torch.add)
    constant: Tensor = merged(torch.add)
    batches: Tensor = merged(join_distinct)
    step_variance_share: PartState = merged(operator.add)
    frames: int = merged(operator.add)
    samples: int = merged(operator.add)
    steps: int | None = merged(earliest)
    per_channel: Tensor = merged(highest_of)  # its largest absolute value; empty where no axis is known to be time


class InputStats(Statistic[InputState]):
    """The model's input.

    Unit: events per bin, if it holds events. Layout: any; time is used where it is known. Hides: which channel is
    which.
    """

    kind: ClassVar = SiteKind.INPUT
    reading: ClassVar = InputReading

    def measure(self, capture: Capture[Tensor]) -> InputState:
        """Count one forward's input."""
        x = arranged(capture)
        tops = highest(x.flatten(1), (1,))
        look = closely(x, COUNTED)
        some = closely(look)
        timed = capture.layout.time is not None
        per_step = x.sum(1)
        size = x.abs()
        mass = size.sum(2)  # [time, batch]
        whole = mass.sum(0)
        largest = mass.amax(0) if len(mass) else whole
        return InputState(
            total=look.sum(dtype=torch.float64),
            active=(look != 0).sum(),
            above_one=(look > 1).sum(),
            negative=(look < 0).sum(),
            minimum=lowest(x),
            maximum=highest(tops),
            values=distinct(torch.cat([some, tops]) if x.numel() else look),
            non_integer=look.frac().count_nonzero(),
            bad=BadState.of(per_step, capture.update),
            sampled_elements=look.numel(),
            forward_passes=1,
            elements=x.numel(),
            shape=(len(capture.values), *capture.values[0].shape)
            if capture.stacked
            else tuple(capture.values[0].shape),
            dtype=str(capture.values[0].dtype).removeprefix("torch."),
            steps=x.shape[0] if timed else None,
            filled=torch.count_nonzero(mass),
            empty=(whole == 0).sum(),
            densest_frame_share=(largest.double() / whole).nan_to_num(0, 0, 0).sum(),
            constant=alike(torch.cat([per_step, mass], 1), mass.numel()),
            batches=distinct(fingerprint(torch.cat([some, mass.flatten()]))),
            step_variance_share=PartState.of(mass.sum(1)),
            frames=mass.numel(),
            samples=mass.shape[1],
            per_channel=size.amax((0, 1)) if timed and x.numel() else x.new_zeros(0),
        )

    def summarize(self, state: InputState) -> tuple[InputReading, ...]:
        """Copy the counts to the host."""
        held = [value != 0 for value in state.per_channel.tolist()]
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
                minimum=told(state.minimum, state.elements),
                maximum=told(state.maximum, state.elements),
                values=tuple(v + 0.0 for v in state.values.tolist() if v != torch.inf),
                sampled_elements=state.sampled_elements,
                non_integer=int(state.non_integer),
                non_finite=state.bad.reading(state.steps is not None),
                frames=state.frames,
                filled_frames=int(state.filled),
                samples=state.samples,
                empty_samples=int(state.empty),
                densest_frame_share=state.densest_frame_share.item() / max(1, state.samples - int(state.empty)),
                constant_forward_passes=int(state.constant),
                distinct_batches=int(state.batches.isfinite().sum()),
                profile=tuple(state.step_variance_share.profile().tolist()),
                channels=len(held),
                silent_channels=held.count(False),
                silent_half=silent_half(held),
            ),
        )


def silent_half(held: list[bool]) -> bool:
    """Did all channels of one half hold nothing, while most of the other half did?

    Halves are [polarity, pixel] and [pixel, polarity], as frames with an axis of two polarities have them in a row.
    """
    middle = len(held) // 2
    pairs = ((held[:middle], held[middle:]), (held[::2], held[1::2])) if len(held) == 2 * middle else ()
    return any(sum(a) == 0 and 2 * sum(b) > middle for one, other in pairs for a, b in ((one, other), (other, one)))


def alike(sums: Tensor, held: int) -> Tensor:
    """1 where all steps of [time, n] are the same, else 0; one step is like no other, nor are `held` = 0 frames."""
    if len(sums) <= 1 or not held:
        return sums.new_zeros((), dtype=torch.int64)
    top = sums.abs().amax()
    return (((sums.amax(0) - sums.amin(0)).amax() <= ALIKE * top) & top.isfinite()).long()
