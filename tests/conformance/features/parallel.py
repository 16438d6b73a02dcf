"""A watched model in other processes and threads."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader

import spikecheck
from tests.conformance.features.registry import LAYERS, NotApplicable, feature, unharmed, watched
from tests.conformance.table import Kind, Net, batch, train

UPDATES = 3


class Collate:
    """Runs the model forward and backward in the process that collates."""

    def __init__(self, model: Net) -> None:
        self.model = model

    def __call__(self, seeds: list[int]) -> Tensor:
        x, y = batch(seed=seeds[0])
        logits: Tensor = self.model(x)
        F.cross_entropy(logits, y).backward()
        with torch.no_grad():
            return torch.stack([logits, self.model(x)])


def loaded(model: Net, workers: int) -> list[Tensor]:
    how = {"num_workers": workers, "multiprocessing_context": "fork"} if workers else {}
    return list(DataLoader(range(UPDATES), batch_size=1, collate_fn=Collate(model), **how))


@feature("in a DataLoader's worker")
def worker(kind: Kind) -> None:
    expected = loaded(Net(kind), 0)
    model = Net(kind)
    with watched(model) as monitor:
        outputs = loaded(model, 1)
        assert monitor.report().forward_passes == 0  # what a worker does stays there
        train(model, 1)
        assert unharmed(monitor).forward_passes == 1
    assert all(torch.equal(a, b) for a, b in zip(expected, outputs, strict=True))
    silent = Net(kind, gain=1e-3)
    with spikecheck.attach(silent, every=1, on_finding="raise"):
        assert len(loaded(silent, 1)) == UPDATES


class Meeting(Net):
    """A forward begins in one thread when it has begun in the other."""

    def __init__(self, kind: Kind, barrier: threading.Barrier) -> None:
        super().__init__(kind)
        self.barrier = barrier

    def forward(self, x: Tensor) -> Tensor:
        self.barrier.wait(60)
        return super().forward(x)


@feature("two threads, each training a model of its own")
def own_models(kind: Kind) -> None:
    alone = Net(kind)
    with watched(alone) as monitor:
        losses = train(alone, UPDATES)
        expected = unharmed(monitor)
    barrier = threading.Barrier(2)
    models = [Meeting(kind, barrier) for _ in range(2)]
    with watched(models[0]) as one, watched(models[1]) as other, ThreadPoolExecutor(2) as threads:
        trained = list(threads.map(lambda model: train(model, UPDATES), models))
        reports = [unharmed(monitor) for monitor in (one, other)]
    assert all(torch.equal(a, b) for outputs in trained for a, b in zip(losses, outputs, strict=True))
    for report in reports:
        assert (report.updates, report.forward_passes, report.layers) == (UPDATES, UPDATES, expected.layers)
        assert {f.check for f in report.findings} == {f.check for f in expected.findings}


@feature("two threads in one model, evaluating")
def one_model(kind: Kind) -> None:
    if kind.reset is not None or kind.library == "snntorch":
        raise NotApplicable("its layers keep their state on themselves, where two threads would share it")
    model, inputs = Meeting(kind, threading.Barrier(1)), [batch(seed=seed)[0] for seed in (0, 1)]
    with torch.no_grad():
        expected, shown = [], []
        for x in inputs:
            expected.append(model(x))
            shown.append(model.shown["lif1"].sum().item())

    def evaluate(x: Tensor) -> Tensor:
        with torch.no_grad():
            y: Tensor = model(x)
            return y

    # by name: three forward passes without gradients do not tell a layer that is written by hand from another module
    names = [name for name, _ in model.named_modules() if name in LAYERS]
    with watched(model, spikes=names) as monitor, ThreadPoolExecutor(2) as threads:
        model.barrier = threading.Barrier(2)
        outputs = list(threads.map(evaluate, inputs))
        together = unharmed(monitor).layers[0].spikes.count
        model.barrier = threading.Barrier(1)
        evaluate(inputs[0])
        after = unharmed(monitor).layers[0].spikes.count
    assert all(torch.equal(a, b) for a, b in zip(expected, outputs, strict=True))
    assert (together, after) == (sum(shown), sum(shown) + shown[0])
