"""The same fault is found under the same id, whatever the library."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from tests.conformance.features.registry import NotApplicable, feature, unharmed, watched
from tests.conformance.table import Kind, Net, batch


@feature("state carried over is found")
def carried(kind: Kind) -> None:
    if kind.reset is None:
        raise NotApplicable("the layer keeps none")
    model = Net(kind)
    forgetful = kind.reset
    object.__setattr__(kind, "reset", None)
    try:
        with watched(model) as monitor, torch.no_grad():
            for update in range(8):
                F.cross_entropy(model(batch(seed=update)[0]), batch()[1])
            checks = {finding.check for finding in monitor.report().findings}
    finally:
        object.__setattr__(kind, "reset", forgetful)
    assert "SPK208" in checks, checks


@feature("counts at the input are found")
def count_input(kind: Kind) -> None:
    model = Net(kind, gain=2.0)
    checks = findings(model, lambda x: (20 * x).round())
    assert "SPK101" in checks, checks


@feature("weights drawn from N(0, 1) are found")
def large_weights(kind: Kind) -> None:
    model = Net(kind)
    with torch.no_grad():
        for fc in (model.fc1, model.fc2):
            fc.weight.normal_(0, 8 * kind.gain, generator=torch.Generator().manual_seed(0))
    if not kind.current:
        raise NotApplicable("the drive is made inside the layer")
    checks = findings(model)
    assert "SPK406" in checks, checks


@feature("several spikes in a step are found, where a neuron can")
def multi_spike(kind: Kind) -> None:
    checks = findings(Net(kind, gain=8.0), updates=4)
    assert ("SPK201" in checks) == kind.multi, checks


@feature("a silent network is found")
def silent(kind: Kind) -> None:
    checks = findings(Net(kind, gain=1e-3))
    assert "SPK203" in checks, checks
    with watched(model := Net(kind, gain=1e-3)) as monitor, torch.no_grad():
        for update in range(8):
            model(batch(seed=update)[0])
        checks = {finding.check for finding in monitor.report().findings}
    if kind.library != "torch":  # by hand, a layer that is silent without a gradient is not known to be one
        assert "SPK203" in checks, checks
    assert "SPK209" not in checks, checks  # the layer behind a silent one holds nothing, since nothing comes


@feature("spike counts as logits are found")
def large_logits(kind: Kind) -> None:
    class Counting(Net):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) * len(x)

    checks = findings(Counting(kind, gain=8.0), lambda x: x.repeat(6, 1, 1), updates=3)
    assert {"SPK301", "SPK303"} <= checks, checks


@feature("a loss that stays at chance is found")
def chance(kind: Kind) -> None:
    """The labels have nothing to do with the input; the step is in proportion to the weights."""
    model = Net(kind)
    optimizer = torch.optim.Adam([*model.fc1.parameters(), *model.fc2.parameters()], lr=0.004 * kind.gain)
    with watched(model) as monitor:
        for update in range(66):
            x, y = batch(5, 64, seed=update)
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
        checks = {finding.check for finding in unharmed(monitor).findings}
    assert "SPK302" in checks, checks


@feature("a NaN current is found")
def nan(kind: Kind) -> None:
    model = Net(kind)
    with torch.no_grad():
        model.fc1.weight[0, 0] = float("nan")
    checks = findings(model)
    assert "SPK405" in checks, checks


def findings(model: Net, change: Callable[[Tensor], Tensor] = lambda x: x, updates: int = 12) -> set[str]:
    """Ids found in a short training on changed inputs."""
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6)
    with watched(model) as monitor:
        for update in range(updates):
            x, y = batch(seed=update)
            optimizer.zero_grad()
            F.cross_entropy(model(change(x)), y).backward()
            optimizer.step()
        return {finding.check for finding in unharmed(monitor).findings}
