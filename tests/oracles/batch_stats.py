"""The labels of each batch, pair by pair."""

from __future__ import annotations

from itertools import combinations

from spikecheck.readings import BatchReading
from spikecheck.site import Capture, LossCall
from tests.oracles.raster import Captures, mean


def oracle(captures: Captures) -> tuple[BatchReading, ...]:
    batches = [labels for capture in captures if len(labels := valid_labels(capture)) > 1]
    shares = [mean([float(a == b) for a, b in combinations(labels, 2)]) for labels in batches]
    samples = sum(map(len, batches))
    weighted = sum(share * len(labels) for share, labels in zip(shares, batches, strict=True))
    pure = sum(len(set(labels)) == 1 for labels in batches)
    return (BatchReading(len(batches), samples, pure, weighted / samples if samples else None),)


def valid_labels(capture: Capture) -> list[int]:
    """Return the labels of one batch that are valid classes and not ignored."""
    call = capture.loss_call or LossCall("unknown")
    labels = [int(y) for y in capture.values[0]]
    return [y for y in labels if y != call.ignored_label and y in range(call.classes or 0)]
