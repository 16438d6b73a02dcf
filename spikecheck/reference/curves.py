"""Learning curves as a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from .train import Epoch


def draw(history: Sequence[Epoch], path: Path, *, classes: int) -> None:
    """Write a PNG: loss and accuracy an epoch, each with the line of a uniform guess among the classes.

    The figure is made without pyplot, so no window system is asked and no global state is left.
    """
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    FigureCanvasAgg(figure)
    loss, accuracy = figure.subplots(1, 2)
    epochs = [row.epoch for row in history]
    loss.plot(epochs, [row.train_loss for row in history], label="train")
    loss.plot(epochs, [row.test_loss for row in history], label="test")
    loss.axhline(math.log(classes), color="grey", linestyle="--", label=f"ln {classes}: a uniform guess")
    loss.set(xlabel="epoch", ylabel="loss")
    accuracy.plot(epochs, [row.train_accuracy for row in history], label="train")
    accuracy.plot(epochs, [row.test_accuracy for row in history], label="test")
    accuracy.axhline(1 / classes, color="grey", linestyle="--", label=f"1/{classes}: a uniform guess")
    accuracy.set(xlabel="epoch", ylabel="accuracy", ylim=(0, 1))
    for axes in (loss, accuracy):
        axes.legend(frameon=False)
        axes.grid(alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
