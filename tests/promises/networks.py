"""Small networks of three kinds, and a training loop that knows nothing of spikecheck."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spikecheck.finding import UnseenKind
from spikecheck.report.model import Report

torch.set_num_threads(1)

STEPS, BATCH, INPUTS, HIDDEN, CLASSES = 6, 4, 10, 8, 3


class Spike(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, v: Tensor) -> Tensor:
        ctx.save_for_backward(v)
        return (v > 0).float()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (v,) = ctx.saved_tensors
        return grad / (1 + 5 * v.abs()) ** 2


class LIF(nn.Module):
    """Written by hand: a whole sequence [time, batch, neuron] at a time."""

    def __init__(self, decay: float = 0.9, threshold: float = 0.3) -> None:
        super().__init__()
        self.decay, self.threshold = decay, threshold

    def forward(self, current: Tensor) -> Tensor:
        v, spikes = torch.zeros_like(current[0]), []
        for step in current:
            v = self.decay * v + step
            s: Tensor = Spike.apply(v - self.threshold)
            v = v - self.threshold * s.detach()
            spikes.append(s)
        return torch.stack(spikes)


class ByHand(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.lif, self.dropout = nn.Linear(INPUTS, HIDDEN), LIF(), nn.Dropout(0.3)
        self.fc2 = nn.Linear(HIDDEN, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.fc2(self.dropout(self.lif(self.fc1(x)))).mean(0)
        return y


def by_hand() -> nn.Module:
    return ByHand()


def in_snntorch() -> nn.Module:
    snn = pytest.importorskip("snntorch", reason="pip install snntorch==1.0.0")

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc1, self.lif1 = nn.Linear(INPUTS, HIDDEN), snn.Leaky(beta=0.9, threshold=0.3)
            self.dropout = nn.Dropout(0.3)
            self.fc2, self.lif2 = nn.Linear(HIDDEN, CLASSES), snn.Leaky(beta=0.9, reset_mechanism="none")

        def forward(self, x: Tensor) -> Tensor:
            mem1, mem2, shown = self.lif1.init_leaky(), self.lif2.init_leaky(), []
            for step in x:
                spikes, mem1 = self.lif1(self.fc1(step), mem1)
                _, mem2 = self.lif2(self.fc2(self.dropout(spikes)), mem2)
                shown.append(mem2)
            return torch.stack(shown).mean(0)

    return Net()


def in_sinabs() -> nn.Module:
    layers = pytest.importorskip("sinabs.layers", reason="pip install --no-deps sinabs==3.1.3")

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc1, self.iaf = nn.Linear(INPUTS, HIDDEN), layers.IAF()
            self.dropout, self.fc2 = nn.Dropout(0.3), nn.Linear(HIDDEN, CLASSES)

        def forward(self, x: Tensor) -> Tensor:
            self.iaf.reset_states()
            y: Tensor = self.fc2(self.dropout(self.iaf(self.fc1(x.movedim(0, 1))))).mean(1)
            return y

    return Net()


NETWORKS: dict[str, Callable[[], nn.Module]] = {"by hand": by_hand, "snntorch": in_snntorch, "sinabs": in_sinabs}
every = pytest.mark.parametrize("build", NETWORKS.values(), ids=NETWORKS)


@dataclass
class Run:
    """A training that goes on in pieces, with everything random in it drawn from torch's global generator."""

    model: nn.Module
    rate: float = 0.01
    losses: list[Tensor] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=self.rate)

    def train(self, updates: int) -> Run:
        for _ in range(updates):
            self.update()
        return self

    def update(self) -> None:
        x, y = batch()
        loss = F.cross_entropy(self.model(x), y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.losses.append(loss.detach())

    def weights(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self.model.state_dict().items()}


def batch(samples: int = BATCH) -> tuple[Tensor, Tensor]:
    return (torch.rand(STEPS, samples, INPUTS) < 0.3).float(), torch.randint(CLASSES, (samples,))


def assert_same(a: dict[str, Tensor], b: dict[str, Tensor]) -> None:
    assert a.keys() == b.keys()
    unlike = [name for name in a if not torch.equal(a[name], b[name])]
    assert not unlike, f"changed by watching: {unlike}"


def assert_watched(report: Report) -> None:
    """The monitor saw the run, and did not step aside: a promise kept by not looking is none."""
    assert not [f for f in report.findings if f.check == "SPK001"], str(report)
    assert report.layers, "no spiking layer was seen"
    of_random_labels = UnseenKind.LEARNING, UnseenKind.CAUSE
    unseen = [one for one in report.incomplete if one.kind not in of_random_labels]
    assert not unseen, unseen
