"""Frames are left as the event counts that ToFrame makes, in bins of 80 ms, not binarized.

`tonic.transforms.ToFrame` sums the events of a bin. Bins this coarse, shared by five channels, hold eleven events on
average where they hold any: a drive eleven times as large as the model was made for.
"""

from __future__ import annotations

from dataclasses import replace

from spikecheck.errors import SpikecheckError
from spikecheck.reference.frames import Frames

from .base import Fault, Recipe

BINS, WINDOW_MS = 12, 80


def inject(recipe: Recipe) -> Recipe:
    """Make the bins coarse, and leave out the comparison with 0."""
    if not isinstance(recipe.frames, Frames):
        raise SpikecheckError(
            f"count-input needs frames made by Frames, got {recipe.frames!r}: pass Recipe(frames=Frames())"
        )
    return replace(recipe, frames=replace(recipe.frames, bins=BINS, window_ms=WINDOW_MS, binary=False))


FAULT = Fault("count-input", causes=("SPK101",), inject=inject)
