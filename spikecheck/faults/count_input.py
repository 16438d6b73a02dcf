"""Frames are left as the event counts that ToFrame makes, not binarized.

`tonic.transforms.ToFrame` sums the events of a bin. Neighbouring channels share a bin here, so that one easily holds
twenty events: a drive twenty times as large as the model was made for.
"""

from __future__ import annotations

from dataclasses import replace

from spikecheck.errors import SpikecheckError
from spikecheck.reference.frames import Frames

from .base import Fault, Recipe


def inject(recipe: Recipe) -> Recipe:
    """Leave out the comparison with 0."""
    if not isinstance(recipe.frames, Frames):
        raise SpikecheckError(
            f"count-input needs frames made by Frames, got {recipe.frames!r}: pass Recipe(frames=Frames())"
        )
    return replace(recipe, frames=replace(recipe.frames, binary=False))


FAULT = Fault("count-input", causes=("SPK101",), inject=inject)
