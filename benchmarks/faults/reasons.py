"""Known reasons of failures, by the name of the case, for the page."""

from __future__ import annotations

REASONS: dict[str, str] = {
    "sinabs-uneven-labels-of-other-samples": "With uneven labels the loss varies too much for 64 values to show that "
    "it stays at the entropy of the labels.",
    "hand-flag-that-no-reset-clears": "A neuron that has not fired yet still can, so the layer is not quite silent.",
    "spikingjelly-one-camera-twice": "No check compares channels with each other.",
    "sinabs-label-in-training": "Loss, gradients and updates are those of a network that has learned; only evaluation "
    "shows that it has not, and its labels are not observed.",
}
