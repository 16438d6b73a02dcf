"""Losses, one per update."""

from __future__ import annotations

import numpy as np

from spikecheck.readings import LossReading
from tests.oracles.raster import Captures, low, mean, non_finite, number


@np.errstate(invalid="ignore")
def oracle(captures: Captures) -> tuple[LossReading, ...]:
    losses = [mean([float(number(value).mean()) for value in capture.values]) for capture in captures]
    recent = np.array(losses[-64:])
    slope = deviation = error = None
    if len(recent) > 2:
        t = np.arange(len(recent)) - (len(recent) - 1) / 2
        slope = float((t * recent).sum() / (t * t).sum())
        rest = recent - recent.mean() - slope * t
        deviation = float(np.sqrt((rest**2).sum() / (len(recent) - 2)))
        error = deviation / float(np.sqrt((t * t).sum()))
    call = captures[0].loss_call
    by_update: dict[int, float] = {}
    for capture, loss in zip(captures, losses, strict=True):
        by_update.setdefault(capture.update, loss)
    every = next(2**n for n in range(64) if sum(update % 2**n == 0 for update in by_update) <= 128)
    reading = LossReading(
        function=call.function if call else "unknown",
        updates=len(losses),
        first=losses[0],
        last=losses[-1],
        minimum=low(losses),
        window=len(recent),
        recent_mean=float(recent.mean()),
        recent_deviation=deviation,
        recent_slope=slope,
        recent_slope_error=error,
        classes=call.classes if call else None,
        plain_mean=all(capture.loss_call is not None and capture.loss_call.plain_mean for capture in captures),
        non_finite=non_finite([(c.update, 0, loss) for c, loss in zip(captures, losses, strict=True)], timed=False),
        broadcast_shapes=call.broadcast_shapes if call else (),
        trace=tuple((update, loss) for update, loss in by_update.items() if update % every == 0),
        latest=tuple(losses[-8:]),
    )
    return (reading,)
