"""Networks of the papers attach as they are, and their layers, time axes and counts are right."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import spikecheck
import tests.conformance.architectures as folder
from spikecheck.finding import Severity
from spikecheck.report.model import Report

UPDATES = 20  # enough for the checks that wait: SPK106 by values takes 16 forward passes
PUBLISHED = [info.name for info in pkgutil.iter_modules(folder.__path__)]
every = pytest.mark.parametrize("name", PUBLISHED)


def trained(published: Any, batches: Callable[[], tuple[Tensor, Tensor]]) -> Report:
    """What is said of the network after the updates, each on what `batches` gives then."""
    torch.manual_seed(0)
    model = published.Network()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    with spikecheck.attach(model, every=1, on_finding=lambda _: None) as monitor:
        for _ in range(UPDATES):
            optimizer.zero_grad()
            x, y = batches()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
        return monitor.report()


def alarms(report: Report) -> list[str]:
    return [f"{f.check} {f.message}" for f in report.findings if f.severity is not Severity.NOTE]


def labels(published: Any) -> Tensor:
    ((_, samples),) = set(published.LAYERS.values())
    return torch.randint(5, (samples,))


@every
def test_attaches_without_an_argument(name: str) -> None:
    published: Any = import_module(f"{folder.__name__}.{name}")
    report = trained(published, lambda: (published.example(), labels(published)))
    assert not report.incomplete, report.incomplete
    shapes = {row.name: (row.spikes.time_steps // UPDATES, row.spikes.samples // UPDATES) for row in report.layers}
    assert shapes == published.LAYERS
    assert all(row.spikes.count > 0 and row.spikes.maximum == 1 for row in report.layers)
    assert not alarms(report)


@every
@pytest.mark.parametrize("encoded", ["once", "again"])
def test_learning_one_batch_by_heart_is_no_alarm(name: str, encoded: str) -> None:
    published: Any = import_module(f"{folder.__name__}.{name}")
    x, y, rates = published.example(), labels(published), torch.rand_like(published.example()) * 0.6
    assert not alarms(trained(published, lambda: (x if encoded == "once" else torch.bernoulli(rates), y)))
