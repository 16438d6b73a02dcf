"""The lab's spiking layer: no memory, and it returns a dict."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Surrogate(torch.autograd.Function):
    """Heaviside, with the gradient of a fast sigmoid."""

    @staticmethod
    def forward(ctx, over):
        ctx.save_for_backward(over)
        return (over >= 0).float()

    @staticmethod
    def backward(ctx, gradient):
        return gradient / (1 + ctx.saved_tensors[0].abs()) ** 2


class Clicks(nn.Module):
    """Spikes wherever the current reaches the threshold."""

    def __init__(self, threshold: float = 0.3) -> None:
        super().__init__()
        self.threshold = threshold

    def forward(self, current: Tensor) -> dict[str, Tensor]:
        return {"spikes": Surrogate.apply(current - self.threshold), "potential": current}
