"""Input frames hold event counts, as tonic's ToFrame gives them, instead of 0 and 1, in bins of 80 ms instead of 20.

`tonic.transforms.ToFrame` sums the events of a bin. A non-empty bin of 80 ms and five pooled channels contains eleven
events on average, so the input current is eleven times larger than the model was designed for.
"""

from __future__ import annotations

from dataclasses import replace

from spikecheck.errors import SpikecheckError
from spikecheck.reference.frames import Frames

from .base import Fault, Recipe

BINS, WINDOW_MS = 12, 80


def inject(recipe: Recipe) -> Recipe:
    """Make the bins coarse and keep the event counts."""
    if not isinstance(recipe.frames, Frames):
        raise SpikecheckError(
            f"count-input needs frames made by Frames, got {recipe.frames!r}: pass Recipe(frames=Frames())"
        )
    return replace(recipe, frames=replace(recipe.frames, bins=BINS, window_ms=WINDOW_MS, binary=False))


FAULT = Fault("count-input", causes=("SPK101",), inject=inject)
