"""Models inside others, layers used twice, and what a model may return."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.conformance.features.registry import LAYERS, NotApplicable, feature, unharmed, watched
from tests.conformance.table import HIDDEN, INPUTS, Kind, Net, batch, train


@feature("one layer used twice")
def used_twice(kind: Kind) -> None:
    if kind.name == "functions, tapped":
        raise NotApplicable("a tap is no layer")

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = Net(kind)

        def forward(self, x: Tensor) -> Tensor:
            net = self.net
            if kind.reset is not None:
                kind.reset(net)
            self.first = kind.run(net.lif1, net.fc1(x)).detach()
            if kind.reset is not None:
                kind.reset(net)
            self.second = kind.run(net.lif1, net.fc1(x.flip(0))).detach()
            return self.second

    model = Twice()
    with watched(model) as monitor:
        model(batch()[0])
        report = unharmed(monitor, ["net.lif1"])
    both = torch.cat([model.first, model.second])
    assert sum(row.spikes.count for row in report.layers) == both.double().sum().item()
    assert sum(row.spikes.elements for row in report.layers) == both.numel()


@feature("one layer shared by two parents")
def shared(kind: Kind) -> None:
    if kind.name == "functions, tapped":
        raise NotApplicable("a tap is no layer")

    class Block(nn.Module):
        def __init__(self, lif: nn.Module) -> None:
            super().__init__()
            self.fc, self.lif = Net(kind).fc1, lif

        def forward(self, x: Tensor) -> Tensor:
            if kind.reset is not None:
                kind.reset(self)
            self.shown = kind.run(self.lif, self.fc(x))
            return self.shown

    lif = kind.layer(HIDDEN)
    one, other = Block(lif), Block(lif)
    model = nn.Sequential(one, nn.Linear(HIDDEN, INPUTS), other)
    with watched(model) as monitor:
        model(batch()[0])
        names = [row.name for row in monitor.report().layers]
        assert names in (["0.lif"], ["0.lif (1st use)", "0.lif (2nd use)"])
        report = unharmed(monitor, names)
    both = torch.cat([one.shown, other.shown]).detach()
    assert sum(row.spikes.count for row in report.layers) == both.double().sum().item()
    assert sum(row.spikes.elements for row in report.layers) == both.numel()


@dataclass
class Returned:
    logits: Tensor


Pair = namedtuple("Pair", "logits other")


@feature("nested, returning a dict, a data class, a named tuple")
def returns(kind: Kind) -> None:
    class Outer(nn.Module):
        def __init__(self, wrap: Callable[[Tensor], Any]) -> None:
            super().__init__()
            self.inner, self.wrap = nn.ModuleDict({"net": Net(kind)}), wrap

        def forward(self, x: Tensor) -> Any:
            return self.wrap(self.inner["net"](x))

    for wrap, unwrap in (
        (lambda y: {"logits": y}, lambda out: out["logits"]),
        (Returned, lambda out: out.logits),
        (lambda y: Pair(y, None), lambda out: out.logits),
    ):
        model = Outer(wrap)
        x, y = batch()
        tapped = kind.name == "functions, tapped"
        with watched(model) as monitor:
            F.cross_entropy(unwrap(model(x)), y).backward()
            unharmed(monitor, LAYERS if tapped else [f"inner.net.{name}" for name in LAYERS])


@feature("`nn.DataParallel` around it")
def data_parallel(kind: Kind) -> None:
    model = nn.DataParallel(Net(kind))
    with watched(model) as monitor:
        train(model, 1)
        unharmed(monitor)
