"""What the spike function of a hand-written layer is applied to, measured in the first forward passes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from spikecheck.probe.applications import Application
from spikecheck.probe.call_sites import threshold_between
from spikecheck.probe.torch_private import has_values
from spikecheck.site import SpikeArgument

MAX_STEPS = 64  # time steps that are read: more say no more of the size of the values
MAX_COMPARED = 65_536  # values among which the most frequent one is searched
NEAREST = 256  # values on each side of the threshold: their means are known to a sixteenth of their deviation
MAX_VALUES = 1_000_000  # among which these are searched
MAX_GAP = 0.1  # of the jump: how far apart the values on both sides may be
T_SCORE = 6.0  # standard errors: a difference larger than that is no accident among many layers and forward passes
HIGH = 0.5  # of the way from the value after a reset to the threshold: what falls from above did not leak


def argument_of(
    applications: Sequence[Application], threshold: float | None, earlier: SpikeArgument | None = None
) -> SpikeArgument | None:
    """Return what a layer's applications were applied to; None where the values are not known any more.

    `threshold` is the layer's own, where its attributes name it: a layer that never spikes may not show it. The offset
    is looked for in the first calls alone, of an `earlier` forward pass.
    """
    read = applications[:MAX_STEPS]
    shown = [(x, s.detach()) for one in read if (x := one.input()) is not None and (s := one.spikes()) is not None]
    alike = len({tensor.shape for pair in shown for tensor in pair}) == 1
    if len(shown) != len(read) or not alike or not all(is_readable(x) for x, _ in shown):
        return None
    values, spikes = (torch.stack(list(steps)).flatten(1).float() for steps in zip(*shown, strict=True))
    if not values.numel():
        return None
    rms, maximum = float(values.square().mean().sqrt()), float(values.amax())
    begins = begins_at(values, spikes, threshold)
    reset, value = (0, None) if begins is None else resets(values, spikes, begins)
    jump = None if begins is None else jump_at(values, spikes)
    late = read[0].source is None and any(one.source is not None for one in read)
    offset = next(
        (one.offset for one in applications if one.offset is not None), None if earlier is None else earlier.offset
    )
    return SpikeArgument(rms, maximum, begins, reset, value, late, offset, jump)


def is_readable(values: Tensor) -> bool:
    """Return whether there are values to read: not those of a tracer, nor complex numbers."""
    return has_values(values) and not values.is_meta and values.is_floating_point()


def begins_at(values: Tensor, spikes: Tensor, threshold: float | None) -> float | None:
    """Return the value from which on the function returns spikes; the layer's threshold where it returned none."""
    silent, spiking = values[spikes == 0], values[spikes != 0]
    highest = float(silent.amax()) if silent.numel() else -torch.inf
    lowest = float(spiking.amin()) if spiking.numel() else torch.inf
    begins = threshold_between(highest, lowest)
    never = begins is None and not spiking.numel() and threshold is not None and highest <= threshold
    return threshold if never else begins


def resets(values: Tensor, spikes: Tensor, begins: float) -> tuple[int, float | None]:
    """Return how often a high value without a spike fell to the most frequent one in the next step, and that value.

    Two potentials that nothing reset are not the same to the last digit, unless both never had an input.
    """
    before, after = values[:-1], values[1:]
    changed = after[after != before]
    if not changed.numel():
        return 0, None
    value = float(changed[:: -(-changed.numel() // MAX_COMPARED)].mode().values)
    high = before > value + HIGH * (begins - value)
    fell = high & (spikes[:-1] == 0) & (after == value)
    return (int(fell.sum()), value) if value < begins else (0, None)


def jump_at(values: Tensor, spikes: Tensor) -> float | None:
    """Return what a spike adds in the next step; None where that does not show beyond doubt.

    Values just above the threshold get the same input as those just below, and differ by the spike alone.
    """
    every = slice(None, None, -(-values.numel() // MAX_VALUES))
    values, spikes = values[:, every], spikes[:, every]
    before, rises, fired = values[:-1].flatten(), (values[1:] - values[:-1]).flatten(), spikes[:-1].flatten() != 0
    if min(int(fired.sum()), int((~fired).sum())) < NEAREST:
        return None
    above = before.where(fired, before.new_tensor(torch.inf)).topk(NEAREST, largest=False).indices
    below = before.where(~fired, before.new_tensor(-torch.inf)).topk(NEAREST).indices
    jump = float(rises[above].mean() - rises[below].mean())
    error = float((rises[above].var() + rises[below].var()).div(NEAREST).sqrt())
    gap = float(before[above].mean() - before[below].mean())
    return jump if abs(jump) > T_SCORE * error and gap <= MAX_GAP * abs(jump) else None
