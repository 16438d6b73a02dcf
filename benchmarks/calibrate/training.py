"""Train one network and record how well it does on held-out batches, and when."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from benchmarks.calibrate.networks import INITIALIZERS, LIBRARIES, Deep
from benchmarks.faults.melodies import Melodies
from spikecheck.reference.frames import examples
from spikecheck.reference.shd import open_digits
from spikecheck.reference.train import BATCH, RECIPE, Plan, Run

RATE = 2e-3  # of Adam
EVERY = 10  # updates between two evaluations
REFERENCE = "reference"  # in the place of a library
REFERENCE_UPDATES = 240  # twelve epochs
TEST_BATCHES, TEST_SAMPLES = 1, 256


@dataclass(frozen=True)
class Row:
    """One training run."""

    library: str
    layers: int
    initializer: str
    seed: int
    updates: int

    @property
    def key(self) -> str:
        """The name under which the result is stored."""
        return f"{self.library}|{self.layers}|{self.initializer}|{self.seed}|{self.updates}"


def trained(row: Row) -> dict[str, object]:
    """Run one row; return the accuracy every so many updates, and the seconds that the initializer took."""
    return trained_reference(row) if row.library == REFERENCE else trained_deep(row)


def trained_reference(row: Row) -> dict[str, object]:
    """Train the reference model as `spikecheck train` does; return the accuracy after each epoch."""
    train, test = (examples(open_digits(None, train=part), RECIPE.frames) for part in (True, False))
    run = Run(Plan(row.updates * BATCH // len(train), row.seed), RECIPE, train, test)
    start = time.perf_counter()
    INITIALIZERS[row.initializer](run.model, train.frames[:BATCH].float())
    seconds = time.perf_counter() - start
    accuracies = [round(epoch.test_accuracy, 4) for epoch in run.epochs()]
    return {"accuracies": accuracies, "seconds": round(seconds, 2)}


def trained_deep(row: Row) -> dict[str, object]:
    """Train one of the deep networks; return the accuracy every ten updates."""
    torch.manual_seed(row.seed)
    model = Deep(LIBRARIES[row.library](), row.layers)
    data = Melodies(batches=row.updates, seed=row.seed)
    start = time.perf_counter()
    INITIALIZERS[row.initializer](model, next(iter(data))[0])
    seconds = time.perf_counter() - start
    trained = [*model.fc.parameters(), *model.read.parameters()]  # not the time constants of rockpool, for this rate
    optimizer = torch.optim.Adam(trained, lr=RATE)
    accuracies = []
    for number, (x, y) in enumerate(data, 1):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if number % EVERY == 0:
            accuracies.append(round(accuracy(model), 4))
    return {"accuracies": accuracies, "seconds": round(seconds, 2)}


@torch.no_grad()
def accuracy(model: Deep) -> float:
    """Return the accuracy on batches of another stream."""
    data = Melodies(batch=TEST_SAMPLES).held_out(TEST_BATCHES)
    return sum(float((model(x).argmax(-1) == y).float().mean()) for x, y in data) / TEST_BATCHES
