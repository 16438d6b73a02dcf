"""Modules that work differently in evaluation, and the mode they are in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from spikecheck.evaluation_readings import InitialStatisticsReading, ModeInEvaluationReading
from spikecheck.probe.find import clean
from spikecheck.probe.torch_private import has_values, is_batch_norm
from spikecheck.probe.trace import Trace, is_of_torch
from spikecheck.readings import ModeReading


@dataclass
class ModeCount:
    """One such module, and how often it was in the other mode, the whole model with it."""

    module: nn.Module
    path: str = ""  # how the script reaches it
    evaluating: int = 0  # updates in evaluation mode
    training: int = 0  # forward passes without gradients in training mode
    trained_before: bool = False

    @property
    def dropped(self) -> float | None:
        """The share that a dropout drops; libraries write their own, and give it this name too."""
        share = getattr(self.module, "p", None)
        return float(share) if "Dropout" in type(self.module).__name__ and isinstance(share, int | float) else None

    @property
    def momentum(self) -> float | None:
        """The weight of one call in the running statistics; None where there are none, or all weigh alike."""
        running = is_batch_norm(self.module) and self.module.running_mean is not None
        return self.module.momentum if running else None  # type: ignore[return-value]


@dataclass(frozen=True)
class HandWrittenStatistics:
    """A module of the user's with a buffer of zeros and one of ones, as of a new running mean and variance."""

    module: nn.Module
    zeros: str
    ones: str

    @classmethod
    def of(cls, module: nn.Module) -> HandWrittenStatistics | None:
        """Return the two buffers of a module; None where it has no such pair, or is one of torch's."""
        buffers = dict(module.named_buffers(recurse=False))
        if is_of_torch(module):
            return None
        zeros, ones = ([name for name, b in buffers.items() if is_filled(b, value)] for value in (0, 1))
        pairs = ((a, b) for a in zeros for b in ones if buffers[a].shape == buffers[b].shape)
        return next((cls(module, *pair) for pair in pairs), None)

    def reading(self, position: int) -> InitialStatisticsReading | None:
        """Return the names of the two; None once either has changed."""
        if not all(is_filled(getattr(self.module, name), value) for name, value in ((self.zeros, 0), (self.ones, 1))):
            return None
        return InitialStatisticsReading(self.zeros, self.ones, position)


class Modes:
    """Reads attributes when the optimizer is about to step or an evaluation begins; nothing is hooked."""

    def __init__(self, model: nn.Module, paths: Mapping[int, str]) -> None:
        counts = {clean(name): ModeCount(module, paths[id(module)]) for name, module in model.named_modules() if name}
        moded = {name: c for name, c in counts.items() if is_batch_norm(c.module) or c.dropped is not None}
        hand_written = {name: HandWrittenStatistics.of(c.module) for name, c in counts.items()}
        for one in moded.values():
            one.trained_before = has_statistics(one.module)
        self.model, self.moded, self.updates, self.evaluations = model, moded, 0, 0
        self.hand_written = {name: one for name, one in hand_written.items() if one is not None}

    def count(self) -> None:
        """Count an update that is about to be made; an evaluation, which records no gradients, is none."""
        if torch.is_grad_enabled():
            self.updates += 1
            for moded in self.moded.values():
                moded.evaluating += not (self.model.training or moded.module.training)

    def count_evaluation(self) -> None:
        """Count a forward pass without gradients."""
        self.evaluations += 1
        for moded in self.moded.values():
            moded.training += self.model.training and moded.module.training

    def readings(self, trace: Trace) -> dict[str, tuple[object, ...]]:
        """Return what was counted, and which hand-written statistics never moved, of modules that ran."""
        calls = trace.calls
        ran = {name: moded for name, moded in self.moded.items() if name in calls}
        counted: dict[str, tuple[object, ...]] = {
            name: (
                ModeReading(
                    self.updates, moded.evaluating, calls[name], moded.dropped, moded.momentum, moded.trained_before
                ),
                ModeInEvaluationReading(self.evaluations, moded.training),
            )
            for name, moded in ran.items()
        }
        for name in self.hand_written.keys() & calls.keys():
            if (initial := self.hand_written[name].reading(trace.position(name))) is not None:
                counted[name] = (*counted.get(name, ()), initial)
        return counted


def is_filled(buffer: object, value: float) -> bool:
    """Return whether a buffer holds one number per channel, and this value for each."""
    if not isinstance(buffer, Tensor) or buffer.ndim != 1 or len(buffer) <= 1 or not buffer.is_floating_point():
        return False
    return has_values(buffer) and not buffer.is_meta and bool((buffer == value).all())


def has_statistics(module: nn.Module) -> bool:
    """Return whether a batch normalization has seen any batch, as far as it counts them."""
    count = getattr(module, "num_batches_tracked", None)
    return isinstance(count, Tensor) and has_values(count) and not count.is_meta and int(count) > 0
