"""Networks of the papers attach as they are, and their layers, time axes and counts are right."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import Any

import pytest
import torch
from torch.nn import functional as F

import spikecheck
import tests.conformance.architectures as folder
from spikecheck.finding import Severity

UPDATES = 20  # enough for the checks that wait: SPK106 by values takes 16 forwards
PUBLISHED = [info.name for info in pkgutil.iter_modules(folder.__path__)]


@pytest.mark.parametrize("name", PUBLISHED)
def test_attaches_without_an_argument(name: str) -> None:
    torch.manual_seed(0)
    published: Any = import_module(f"{folder.__name__}.{name}")
    model = published.Network()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    with spikecheck.attach(model, every=1, on_finding=lambda _: None) as monitor:
        for _ in range(UPDATES):
            optimizer.zero_grad()
            logits = model(published.example())
            F.cross_entropy(logits, torch.randint(5, (len(logits),))).backward()
            optimizer.step()
        report = monitor.report()
    assert not report.unseen, report.unseen
    shapes = {row.name: (row.spikes.steps // UPDATES, row.spikes.samples // UPDATES) for row in report.layers}
    assert shapes == published.LAYERS
    assert all(row.spikes.count > 0 and row.spikes.maximum == 1 for row in report.layers)
    alarms = [f"{f.check} {f.message}" for f in report.findings if f.severity is not Severity.NOTE]
    assert not alarms
