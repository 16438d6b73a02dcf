"""Plot learning curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from .train import Epoch


def draw(history: Sequence[Epoch], path: Path, *, classes: int) -> None:
    """Draw the loss and accuracy of a `history` per epoch, each with the chance level of `classes`, in the PNG `path`.

    The figure is made without pyplot, so it needs no display and leaves no global state.
    """
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    FigureCanvasAgg(figure)
    loss, accuracy = figure.subplots(1, 2)
    epochs = [row.epoch for row in history]
    loss.plot(epochs, [row.train_loss for row in history], label="train")
    loss.plot(epochs, [row.test_loss for row in history], label="test")
    loss.axhline(math.log(classes), color="gray", linestyle="--", label=f"chance level: ln {classes}")
    loss.set(xlabel="epoch", ylabel="loss")
    accuracy.plot(epochs, [row.train_accuracy for row in history], label="train")
    accuracy.plot(epochs, [row.test_accuracy for row in history], label="test")
    accuracy.axhline(1 / classes, color="gray", linestyle="--", label=f"chance level: 1/{classes}")
    accuracy.set(xlabel="epoch", ylabel="accuracy", ylim=(0, 1))
    for axes in (loss, accuracy):
        axes.legend(frameon=False)
        axes.grid(alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
