"""Five networks that people publish, written from their papers: each must attach as it is."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class Step(torch.autograd.Function):
    """A spike where u, potential less threshold, is above 0; each paper's surrogate is a `backward` of its own."""

    @staticmethod
    def forward(ctx: Any, u: Tensor) -> Tensor:
        ctx.save_for_backward(u)
        return (u > 0).to(u.dtype)
