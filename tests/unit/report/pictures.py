"""Reports made up, with all that there is a picture of."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import Any

from spikecheck.excerpts import PotentialSampleReading, RasterReading
from spikecheck.readings import LossReading, NonFinite
from spikecheck.report.model import LayerRow, LossRow, OptimizerRow, Report, WeightRow
from spikecheck.timelines import OptimizerPoint, OptimizerTimelineReading
from tests.unit.report.reports import broken, healthy, spikes, timeline

CHANCE = math.log(20)


def loss(name: str = "loss", **changed: Any) -> LossRow:
    trace = tuple((update, CHANCE + 0.01 * math.sin(update)) for update in range(0, 256, 2))
    facts: dict[str, Any] = {
        "function": "cross_entropy", "updates": 256, "first": 3.0, "last": 3.0, "minimum": 2.9, "window": 64,
        "recent_mean": CHANCE, "recent_deviation": 0.01, "recent_slope": 0.0, "recent_slope_error": 0.0001,
        "classes": 20, "plain_mean": True, "non_finite": NonFinite(0, 256), "trace": trace,
    }  # fmt: skip
    return LossRow(name, LossReading(**(facts | changed)))


def raster(update: int = 0, most: float = 1.0) -> RasterReading:
    drawn = random.Random(update)
    rows = tuple(tuple(most if drawn.random() < 0.2 else 0.0 for _ in range(100)) for _ in range(32))
    return RasterReading(rows, time_steps=100, neurons=64, stride=2, update=update)


def layer(name: str, **changed: Any) -> LayerRow:
    rates = tuple(n / 100 for n in range(40)) + (0.0,) * 24
    potentials = PotentialSampleReading(tuple(math.sin(n) for n in range(500)), 6400, 0)
    row = LayerRow(name, spikes(rates=rates), threshold=1.0, first=raster(), recent=raster(200), potentials=potentials)
    return replace(row, **({"timeline": timeline((0.1, 0.2, 0.0))} | changed))


def optimizer(name: str = "Adam", rate: float = 1e-3) -> OptimizerRow:
    points = tuple(
        OptimizerPoint(n, n, 1, 10.0**-n, 0.5, update_size=0.01 if n < 3 else None, learning_rate=rate * (n + 1))
        for n in range(5)
    )
    return OptimizerRow(name, OptimizerTimelineReading(points, NonFinite(0, 5)))


def drawn(**names: str) -> Report:
    """Everything that there is a picture of, beside the findings of `broken`."""
    layers = (layer(names.get("layer", "lif1")), layer("counts", recent=raster(200, most=3.0)), *broken().layers)
    weights = (WeightRow(names.get("weight", "fc1.weight"), 700, 26.5, 0.58), WeightRow("fc2.weight", 20, 1.0))
    report = replace(broken(), layers=layers, losses=(loss(names.get("loss", "loss")),), weights=weights, updates=256)
    return replace(report, optimizers=(optimizer(names.get("optimizer", "Adam")),))


def file() -> Report:
    """Of a checkpoint: weights alone."""
    return replace(healthy(), layers=(), subject="net.pt · 2 tensors", weights=(WeightRow("fc1.weight", 700, 0.6),))
