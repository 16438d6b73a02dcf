"""Modules that behave otherwise in evaluation, and in which mode they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from spikecheck.probe.find import clean
from spikecheck.probe.torch_private import is_batch_norm
from spikecheck.readings import ModeReading


@dataclass
class Moded:
    """One such module, and in how many updates it was in evaluation mode, the whole model with it."""

    module: nn.Module
    evaluating: int = 0

    @property
    def dropped(self) -> float | None:
        """The share that a dropout drops; libraries write their own, and call it so too."""
        share = getattr(self.module, "p", None)
        return float(share) if "Dropout" in type(self.module).__name__ and isinstance(share, int | float) else None

    @property
    def momentum(self) -> float | None:
        """The weight of one call in the running statistics; None where there are none, or all weigh alike."""
        running = is_batch_norm(self.module) and self.module.running_mean is not None
        return self.module.momentum if running else None  # type: ignore[return-value]


class Modes:
    """Reads attributes when the optimizer is about to step; nothing is hooked."""

    def __init__(self, model: nn.Module) -> None:
        found = {clean(name): Moded(module) for name, module in model.named_modules() if name}
        wanted = {name: m for name, m in found.items() if is_batch_norm(m.module) or m.dropped is not None}
        self.model, self.moded, self.updates = model, wanted, 0

    def look(self) -> None:
        """An update is due; an evaluation, which records no gradients, is none."""
        if torch.is_grad_enabled():
            self.updates += 1
            for moded in self.moded.values():
                moded.evaluating += not (self.model.training or moded.module.training)

    def readings(self, calls: Mapping[str, int]) -> dict[str, ModeReading]:
        """What was counted, of the modules that ran in the first forward, so many times."""
        ran = {name: moded for name, moded in self.moded.items() if name in calls}
        return {
            name: ModeReading(self.updates, moded.evaluating, calls[name], moded.dropped, moded.momentum)
            for name, moded in ran.items()
        }
