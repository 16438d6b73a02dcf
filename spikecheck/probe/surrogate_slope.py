"""How the surrogate gradient of a hand-written layer depends on the distance from the threshold, read in backward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from spikecheck.probe.applications import Application
from spikecheck.probe.gradients import LayerGradients
from spikecheck.probe.spike_argument import is_readable
from spikecheck.site import SurrogateSlope

MAX_STEPS = 4  # time steps, the last ones: where a gradient explodes, it has not gone far there
MAX_VALUES = 65_536  # of a time step, an even sample
MIN_VALUES = 32  # with a gradient: fewer say little of a function
NO_SLOPE = 1e-3  # of the largest slope: after two such layers, a millionth of a gradient is left
TINY = 1e-300  # in place of a sum of squares that is 0
PARTS = 4  # the nearest and the farthest of so many are compared


def watch_slope(
    applications: Sequence[Application],
    gradients: LayerGradients,
    guard: Callable[[Callable[..., None]], Callable[..., None]],
) -> None:
    """Keep the slopes of a layer's function once a gradient has passed it, in one of the last time steps."""
    if gradients.surrogate is not None:
        return
    threshold = None if gradients.argument is None else gradients.argument.threshold
    for one in applications[-MAX_STEPS:]:
        argument = one.input()
        if one.node is not None and not one.is_packed and argument is not None and is_readable(argument):
            one.node.register_hook(guard(SlopeHook(argument, threshold, len(applications), gradients)))


class SlopeHook:
    """A hook on the node of a spike function that compares what comes out of it with what goes in."""

    __slots__ = ("argument", "gradients", "steps", "threshold")

    def __init__(self, argument: Tensor, threshold: float | None, steps: int, gradients: LayerGradients) -> None:
        self.argument, self.threshold, self.steps, self.gradients = argument, threshold, steps, gradients

    @torch.no_grad()
    def __call__(self, to_inputs: Sequence[Any], to_outputs: Sequence[Any]) -> None:
        """Read the slopes; None tells torch to leave the gradient as it is."""
        if self.gradients.surrogate is None:
            self.gradients.surrogate = self.slope(to_outputs[0], to_inputs[0])

    def slope(self, before: Any, after: Any) -> SurrogateSlope | None:
        """Return the mean slope near the threshold and far from it; None where too few values got a gradient."""
        if not all(isinstance(one, Tensor) and one.shape == self.argument.shape for one in (before, after)):
            return None
        stride = -(-self.argument.numel() // MAX_VALUES) or 1
        x, g, out = (one.detach().flatten()[::stride].float() for one in (self.argument, before, after))
        usable = (g != 0) & g.isfinite() & out.isfinite()
        slopes = (out[usable] / g[usable]).abs()
        if len(slopes) < MIN_VALUES:
            return None
        reached = float((slopes > NO_SLOPE * slopes.max()).float().mean())
        even_share = float(slopes.double().mean() ** 2 / slopes.double().square().mean().clamp(min=TINY))
        neurons = self.argument.shape[1] if self.argument.dim() > 1 else self.argument.numel()
        widths = reached, even_share, even_share * self.steps * self.argument.numel() / neurons
        if self.threshold is None:  # of a layer that never fired
            mean = float(slopes.mean())
            return SurrogateSlope(mean, mean, 0.0, *widths)
        distances, order = (x[usable] - self.threshold).abs().sort()
        part, slopes = len(distances) // PARTS, slopes[order]
        near, far, distance = slopes[:part].mean(), slopes[-part:].mean(), distances[-part:].mean()
        return SurrogateSlope(float(near), float(far), float(distance), *widths)
