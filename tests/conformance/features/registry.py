"""What is expected of every kind of layer: a feature is a function that fails where it does not hold.

Each is measured once a run and kept, for the tests and for the table in docs/frameworks.md alike; the workers of
pytest-xdist share what they measured in a folder named after the run.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import spikecheck
from spikecheck.monitor import Monitor
from spikecheck.readings import SpikeReading
from spikecheck.report.model import Report
from tests.conformance.table import Kind, kinds

FEATURES: dict[str, Callable[[Kind], None]] = {}
LAYERS = ["lif1", "lif2"]
FOR_ALL = (  # the others are measured for one kind of a library: that they hold does not hang on the kind
    "attaches, and names the layers",
    "counts every spike of every step",
    "sees potentials",
    "several spikes in a step are found, where a neuron can",
    "state carried over is found",
)


class NotApplicable(Exception):
    """The library cannot do this by itself; the message says why."""


def feature(title: str) -> Callable[[Callable[[Kind], None]], Callable[[Kind], None]]:
    def enter(function: Callable[[Kind], None]) -> Callable[[Kind], None]:
        FEATURES[title] = function
        return function

    return enter


@cache
def measured(title: str, name: str) -> tuple[str, BaseException | None]:
    """Does the feature hold for the kind of this name? "yes", "no", or why the question does not arise."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    if run is None:
        return measure(title, name)
    folder = Path(tempfile.gettempdir()) / f"spikecheck-conformance-{run}"
    answer = folder / hashlib.sha256(f"{title} {name}".encode()).hexdigest()
    if answer.exists():
        return answer.read_text(encoding="utf-8"), None
    text, error = measure(title, name)
    if error is None:  # a failure is measured again where it is to be raised
        folder.mkdir(exist_ok=True)
        half = answer.with_suffix(f".{os.getpid()}")
        half.write_text(text, encoding="utf-8")
        half.replace(answer)
    return text, error


def measure(title: str, name: str) -> tuple[str, BaseException | None]:
    """The answer, and the error where it is "no"."""
    kind = next(kind for kind in kinds() if str(kind) == name)
    torch.manual_seed(0)
    try:
        FEATURES[title](kind)
    except NotApplicable as reason:
        return str(reason), None
    except Exception as error:  # noqa: BLE001  an assertion, or whatever the library raises: the table says "no"
        return "no", error
    return "yes", None


@contextmanager
def watched(model: nn.Module, **how: Any) -> Iterator[Monitor]:
    with spikecheck.attach(model, every=1, on_finding=lambda _: None, **how) as monitor:
        yield monitor


def unharmed(monitor: Monitor, layers: list[str] | None = None) -> Report:
    """The report, of a monitor that did not step aside and saw these layers."""
    report = monitor.report()
    assert not [finding.message for finding in report.findings if finding.check == "SPK001"]
    assert [row.name for row in report.layers] == (LAYERS if layers is None else layers)
    return report


def counted(read: SpikeReading, raster: Tensor, forward_passes: int = 1) -> None:
    """The reading says what a count over every step, sample and neuron says; raster is [time, batch, neuron...]."""
    x = raster.double().flatten(2)
    assert (read.forward_passes, read.time_steps, read.neurons) == (
        forward_passes,
        forward_passes * x.shape[0],
        x.shape[2],
    )
    assert read.samples == forward_passes * x.shape[1]
    if forward_passes == 1:
        assert read.count == sum(v for step in x.tolist() for row in step for v in row)
        assert read.active == sum(v != 0 for step in x.tolist() for row in step for v in row)
        assert (read.minimum, read.maximum) == (x.min().item(), x.max().item())
        assert read.max_count == x.sum(0).max().item()
        assert read.silent_neurons == int((x != 0).sum((0, 1)).eq(0).sum())
