"""`examine` leaves the user's model, optimizer, random states and batches as they are, bit for bit."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import spikecheck
from spikecheck.examination import isolation
from spikecheck.report.examined import ExperimentOutcome
from spikecheck.report.model import Report
from tests.unit.examination.subjects import CHANNELS, CLASSES, LIF, Net, batches


def by_snntorch() -> nn.Module:
    snn = pytest.importorskip("snntorch")
    utils = pytest.importorskip("snntorch.utils")

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc1, self.lif = nn.Linear(CHANNELS, 16), snn.Leaky(beta=0.9, init_hidden=True)
            self.fc2 = nn.Linear(16, CLASSES)

        def forward(self, x: Tensor) -> Tensor:
            utils.reset(self)
            return torch.stack([self.fc2(self.lif(self.fc1(step))) for step in x.unbind(1)]).mean(0)

    return Network()


def by_spikingjelly() -> nn.Module:
    jelly = pytest.importorskip("spikingjelly.activation_based")
    pytest.importorskip("spikingjelly.activation_based.neuron")

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc1, self.lif = nn.Linear(CHANNELS, 16), jelly.neuron.LIFNode(step_mode="m", decay_input=False)
            self.norm, self.fc2 = nn.BatchNorm1d(16), nn.Linear(16, CLASSES)

        def forward(self, x: Tensor) -> Tensor:
            jelly.functional.reset_net(self)
            spikes = self.lif(self.fc1(x.transpose(0, 1)))
            return self.fc2(self.norm(spikes.mean(0)))

    return Network()


def closure_as_forward() -> nn.Module:
    net = Net()
    inner = net.forward
    net.forward = lambda x: inner(x)
    return net


def carries_state() -> nn.Module:
    return Net(LIF(carry=True))


def everything(model: nn.Module, optimizer: torch.optim.Optimizer) -> list:
    modules = [dict(vars(module)) for module in model.modules()]
    return [
        [list(held) for held in modules],
        [[id(value) for value in held.values()] for held in modules],
        [value.clone() for held in modules for value in held.values() if isinstance(value, Tensor)],
        [(id(p), p.detach().clone(), None if p.grad is None else p.grad.clone()) for p in model.parameters()],
        [b.clone() for b in model.buffers()],
        copy.deepcopy(optimizer.state_dict()),
        [torch.get_rng_state(), random.getstate(), np.random.get_state()],
    ]


def same(a, b) -> bool:
    if isinstance(a, Tensor):
        return a.equal(b)
    if isinstance(a, np.ndarray):
        return bool((a == b).all())
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


def outcomes(report: Report) -> dict[str, str]:
    return {row.name: row.outcome.value for row in report.experiments}


full = pytest.mark.full


@pytest.mark.parametrize(
    "build",
    [
        by_snntorch,
        pytest.param(by_spikingjelly, marks=full),
        pytest.param(closure_as_forward, marks=full),
        carries_state,
    ],
)
@pytest.mark.parametrize("fork", [True, pytest.param(False, marks=full)], ids=["in children", "in place"])
def test_nothing_changes(build, fork, monkeypatch) -> None:
    if not fork:
        monkeypatch.setattr(isolation, "can_fork", lambda subject=None: False)
    torch.manual_seed(0)
    model, data = build(), batches(8)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    F.cross_entropy(model(data[0][0]), data[0][1]).backward()
    optimizer.step()  # it has a state, and the parameters have gradients
    before = everything(model, optimizer)
    inputs = [x.clone() for x, _ in data]
    report = spikecheck.examine(
        model, data, F.cross_entropy, optimizer, seconds=600, treatment_seconds=10, progress=False
    )
    assert same(everything(model, optimizer), before)
    assert all(x.equal(known) for (x, _), known in zip(data, inputs, strict=True))
    assert ExperimentOutcome.DONE.value in outcomes(report).values()
    assert ExperimentOutcome.FAILED.value not in outcomes(report).values(), report.unseen


def test_a_generator_of_batches_is_not_used_up() -> None:
    data, drawn = batches(8), []

    def stream() -> Iterator[tuple[Tensor, Tensor]]:
        for number, batch in enumerate(data):
            drawn.append(number)
            yield batch

    generator = stream()
    spikecheck.examine(Net(), generator, F.cross_entropy, seconds=1, treatment_seconds=0, progress=False)
    assert drawn == []
    assert next(generator) is data[0]


def test_a_step_of_the_users_trains_copies_alone() -> None:
    net, calls = Net(), []
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)

    def step(x: Tensor, y: Tensor) -> Tensor:
        calls.append(1)
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    before = everything(net, optimizer)
    report = spikecheck.examine(
        net, batches(8), F.cross_entropy, optimizer, step=step, seconds=600, treatment_seconds=10, progress=False
    )
    assert calls == []
    assert same(everything(net, optimizer), before)
    assert report.updates > 10
