"""Neurons that no library's file knows: found, named, read along the right axis, and the training bit-identical."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import spikecheck
from spikecheck.finding import Severity
from spikecheck.monitor import Monitor
from tests.conformance.functional_styles import CLASSES, STEPS, TRUE_SPIKES
from tests.conformance.module_styles import STYLES, Style, sequence

UPDATES = 12


def train(style: Style, **arguments: Any) -> tuple[Monitor | None, dict[str, float], list[Tensor]]:
    """Train a style, watched where arguments are given."""
    torch.manual_seed(0)
    model = style.build()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    watching = arguments.pop("watched", False)
    monitor = spikecheck.attach(model, every=1, on_finding=lambda _: None, **arguments) if watching else None
    counts: dict[str, float] = {}
    for _ in range(UPDATES):
        x = sequence()
        TRUE_SPIKES.clear()
        loss = F.cross_entropy(style.call(model, x), torch.randint(CLASSES, (len(x),)))
        for name, steps in TRUE_SPIKES.items():
            counts[name] = counts.get(name, 0.0) + sum(float(step.sum()) for step in steps[:STEPS])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    TRUE_SPIKES.clear()
    return monitor, counts, [p.detach() for p in model.parameters()]


@pytest.mark.parametrize("name", STYLES)
def test_layers_are_seen_as_they_are(name: str) -> None:
    style = STYLES[name]
    _, _, bare = train(style)
    monitor, true, weights = train(style, watched=True, **copy.deepcopy(style.arguments))
    assert monitor is not None
    with monitor:
        report = monitor.report()
    assert all(torch.equal(a, b) for a, b in zip(weights, bare, strict=True))
    rows = {row.name: row for row in report.layers}
    assert list(rows) == list(style.layers.values())
    for layer, called in style.layers.items():
        row = rows[called]
        assert row.spikes.count == pytest.approx(true[layer], rel=1e-5)
        assert true[layer] > 0, "the style is silent, and shows nothing"
        steps = row.timeline.time_steps if row.timeline is not None else None
        assert steps is not None
        assert (steps.fewest, steps.most, steps.axis, steps.known) == (STEPS, STEPS, style.axis, True)
        assert row.spikes.neurons == 10
    alarms = {f.check for f in report.findings if f.severity > Severity.NOTE}
    assert alarms == set(style.checks)
