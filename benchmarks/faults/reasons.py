"""Known reasons of failures, by the name of the case, for the page."""

from __future__ import annotations

REASONS: dict[str, str] = {
    "sinabs-uneven-labels-of-other-samples": "With uneven labels the loss varies too much for 64 values to show that "
    "it stays at the entropy of the labels.",
    "spikingjelly-one-camera-twice": "The network learns all the same, so the copy is a note.",
    "spikingjelly-peak-of-thousands": "The network learns a little, as a healthy one with such gradients does.",
    "spikingjelly-pooled-channels": "The network learns all the same, so the counts are a note.",
    "snntorch-potentials-summed": "The network learns all the same: the warning at the start is over by the end.",
    "sinabs-label-in-training": "Loss, gradients and updates are those of a network that has learned; only evaluation "
    "shows that it has not, and its labels are not observed.",
}
