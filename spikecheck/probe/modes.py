"""Modules that work differently in evaluation, and the mode they are in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from spikecheck.probe.find import clean
from spikecheck.probe.torch_private import has_values, is_batch_norm
from spikecheck.readings import ModeReading


@dataclass
class ModeCount:
    """One such module, and in how many updates it was in evaluation mode, the whole model with it."""

    module: nn.Module
    path: str = ""  # how the script reaches it
    evaluating: int = 0
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


class Modes:
    """Reads attributes when the optimizer is about to step; nothing is hooked."""

    def __init__(self, model: nn.Module, paths: Mapping[int, str]) -> None:
        counts = {clean(name): ModeCount(module, paths[id(module)]) for name, module in model.named_modules() if name}
        moded = {name: c for name, c in counts.items() if is_batch_norm(c.module) or c.dropped is not None}
        for one in moded.values():
            one.trained_before = has_statistics(one.module)
        self.model, self.moded, self.updates = model, moded, 0

    def count(self) -> None:
        """Count an update that is about to be made; an evaluation, which records no gradients, is none."""
        if torch.is_grad_enabled():
            self.updates += 1
            for moded in self.moded.values():
                moded.evaluating += not (self.model.training or moded.module.training)

    def readings(self, calls: Mapping[str, int]) -> dict[str, ModeReading]:
        """Return what was counted, of the modules that ran in the first forward pass, with their calls in it."""
        ran = {name: moded for name, moded in self.moded.items() if name in calls}
        return {
            name: ModeReading(
                self.updates, moded.evaluating, calls[name], moded.dropped, moded.momentum, moded.trained_before
            )
            for name, moded in ran.items()
        }


def has_statistics(module: nn.Module) -> bool:
    """Return whether a batch normalization has seen any batch, as far as it counts them."""
    count = getattr(module, "num_batches_tracked", None)
    return isinstance(count, Tensor) and has_values(count) and not count.is_meta and int(count) > 0
