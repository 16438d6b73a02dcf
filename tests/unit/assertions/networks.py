"""A network small enough to do by hand, with given weights, and the mistakes that each assertion is there for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

torch.set_num_threads(1)

SAMPLES, STEPS, CHANNELS, HIDDEN, CLASSES = 4, 6, 5, 3, 2


class Spike(torch.autograd.Function):
    """1 above the threshold, with a surrogate gradient; or, with `many`, as often as the threshold fits in."""

    @staticmethod
    def forward(ctx: Any, over: Tensor, many: bool) -> Tensor:
        ctx.save_for_backward(over)
        return over.add(1).floor().clamp(min=0) if many else (over >= 0).float()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (over,) = ctx.saved_tensors
        return gradient / (1 + over.abs()) ** 2, None


@dataclass(frozen=True)
class Mistakes:
    """What is wrong with the network; nothing, unless it is said."""

    threshold: float = 1.0
    many: bool = False
    bare: bool = False
    carry: bool = False
    mix: bool = False
    ahead: bool = False
    gain: float = 1.0
    fixed: int | None = None  # a state of this batch size, for ever
    unused: bool = False


class LIF(nn.Module):
    """[batch, time, neuron] to the same; decay 0.5, reset to 0."""

    def __init__(self, mistakes: Mistakes) -> None:
        super().__init__()
        self.threshold, self.mistakes = mistakes.threshold, mistakes
        self.stored: Tensor | None = None

    def forward(self, current: Tensor) -> Tensor:
        m = self.mistakes
        stored = self.stored if (m.carry or m.fixed) and self.stored is not None else None
        potential = torch.zeros_like(current[:, 0]) if stored is None else stored
        out = []
        for step in current.unbind(1):
            potential = 0.5 * potential + step
            over = potential / self.threshold - 1
            spikes = (over >= 0).float() if m.bare else Spike.apply(over, m.many)
            potential = potential * (spikes == 0)
            out.append(spikes)
        if m.carry:
            self.stored = potential.detach()
        if m.fixed:
            self.stored = torch.zeros_like(potential)
        return torch.stack(out, 1)


class Net(nn.Module):
    def __init__(self, **mistakes: Any) -> None:
        super().__init__()
        self.mistakes = Mistakes(**mistakes)
        self.fc1 = nn.Linear(CHANNELS, HIDDEN, bias=False)
        self.lif1 = LIF(self.mistakes)
        self.fc2 = nn.Linear(HIDDEN, CLASSES, bias=False)
        if self.mistakes.unused:
            self.fc3 = nn.Linear(1, 1, bias=False)
        with torch.no_grad():
            self.fc1.weight.copy_(torch.arange(CHANNELS * HIDDEN).reshape(HIDDEN, CHANNELS) % 4 / 4)
            self.fc2.weight.copy_(torch.tensor([[1.0, -0.5, 0.5], [-0.5, 0.5, 0.25]]) * self.mistakes.gain)

    def forward(self, x: Tensor) -> Tensor:
        if self.mistakes.mix:
            x = x + x.sum(0, keepdim=True) / 4
        if self.mistakes.ahead:
            x = x.flip(1)
        return self.fc2(self.lif1(self.fc1(x))).mean(1)


def batch(*, counts: bool = False, empty: bool = False) -> tuple[Tensor, Tensor]:
    """Four samples of two classes, [batch, time, channel]: each class has channels of its own."""
    sample, step, channel = torch.meshgrid(*map(torch.arange, (SAMPLES, STEPS, CHANNELS)), indexing="ij")
    x = ((sample % 2 == channel % 2) & ((sample + step + channel) % 3 != 0)).float()
    return x * (0 if empty else 3 if counts else 1), torch.arange(SAMPLES) % CLASSES


loss = F.cross_entropy
