"""Processes that train one model together, forked from the test, each with its own share of the data."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

import spikecheck
from tests.promises.networks import CLASSES, INPUTS, LIF, STEPS

UPDATES, BATCH = 24, 8


class Net(nn.Module):
    """Without dropout, in 64 bits, so that one process can repeat what several did."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.lif, self.fc2 = nn.Linear(INPUTS, 12), LIF(), nn.Linear(12, CLASSES)
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.fc2(self.lif(self.fc1(x)).double()).mean(0)
        return y


def batch(rank: int, update: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1000 * rank + update)
    y = torch.randint(CLASSES, (BATCH,), generator=generator)
    rate = 0.1 + 0.6 * (torch.arange(INPUTS) % CLASSES == y[:, None])
    return (torch.rand(STEPS, BATCH, INPUTS, generator=generator) < rate).double(), y


def net() -> Net:
    torch.manual_seed(0)
    return Net()


def train(model: nn.Module, rank: int, change: Callable[[int, int, Tensor], Tensor] | None = None) -> None:
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for update in range(UPDATES):
        x, y = batch(rank, update)
        x = x if change is None else change(rank, update, x)
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        if not isinstance(model, DistributedDataParallel) and distributed.is_initialized():
            for parameter in model.parameters():
                distributed.all_reduce(parameter.grad)
                parameter.grad /= distributed.get_world_size()  # type: ignore[operator]
        optimizer.step()


def in_ranks(size: int, folder: Path, work: Callable[[int], Any]) -> list[Any]:
    """Run `work(rank)` in forked processes that have a process group, and return what each returns."""
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=one_rank, args=(rank, size, folder, work)) for rank in range(size)]
    for process in processes:
        process.start()
    try:
        for process in processes:
            process.join(60)
            assert process.exitcode is not None, "a rank hangs"
    finally:
        for process in processes:
            process.kill()  # one that hangs would outlive the test
    files = [folder / f"result.{rank}" for rank in range(size)]
    return [pickle.loads(file.read_bytes()) if file.exists() else None for file in files]


def one_rank(rank: int, size: int, folder: Path, work: Callable[[int], Any]) -> None:
    store = distributed.FileStore(str(folder / "store"), size)
    distributed.init_process_group("gloo", store=store, rank=rank, world_size=size, timeout=timedelta(seconds=20))
    (folder / f"result.{rank}").write_bytes(pickle.dumps(work(rank)))


def watched(rank: int, change: Callable[[int, int, Tensor], Tensor] | None = None, wrap: str = "") -> Any:
    """Train, and return the report that each rank makes when all are through."""
    import warnings

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model: nn.Module = net()
        if wrap == "first":  # takes seconds: it imports the compiler
            model = DistributedDataParallel(model)
        monitor = spikecheck.attach(model)
        if wrap == "then":
            model = DistributedDataParallel(model)
        train(model, rank, change)
        monitor.detach()
        distributed.barrier()
        report = monitor.report()
    return report, [str(one.message) for one in caught if "Spikecheck" in one.category.__name__]
