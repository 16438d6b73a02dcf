"""Ways to train: in parts, in mixed precision, checkpointed, functional."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from tests.conformance.features.registry import NotApplicable, feature, unharmed, watched
from tests.conformance.table import Kind, Net, batch


@feature("gradient accumulation")
def accumulation(kind: Kind) -> None:
    model = Net(kind)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    with watched(model) as monitor:
        for update in range(8):
            x, y = batch(seed=update)
            (F.cross_entropy(model(x), y) / 4).backward()
            if update % 4 == 3:
                optimizer.step()
                optimizer.zero_grad()
        report = unharmed(monitor)
    assert (report.updates, report.forward_passes, report.layers[0].spikes.forward_passes) == (2, 8, 8)


@feature("autocast to bfloat16")
def bfloat16(kind: Kind) -> None:
    automatic(kind, torch.bfloat16)


@feature("autocast to float16, with steps that GradScaler skips")
def float16(kind: Kind) -> None:
    automatic(kind, torch.float16, scale=2.0**60)


def automatic(kind: Kind, dtype: torch.dtype, scale: float = 1.0) -> None:
    """Training in mixed precision; a scale that overflows makes the scaler skip its first steps."""
    model = Net(kind)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    scaler = torch.amp.GradScaler("cpu", init_scale=scale, enabled=scale != 1.0, backoff_factor=2.0**-60)
    bare = copy.deepcopy(model.state_dict())
    with watched(model) as monitor:
        for update in range(3):
            x, y = batch(seed=update)
            with torch.autocast("cpu", dtype):
                loss = F.cross_entropy(model(x).float(), y)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
        report = unharmed(monitor)
    assert bare.keys() == model.state_dict().keys()
    assert (scaler.get_scale() < scale) == scaler.is_enabled()  # the step was skipped, as it should be
    alarms = {f.check for f in report.findings if f.check[:4] in ("SPK3", "SPK4")}
    assert not alarms, alarms
    assert report.layers[0].spikes.count > 0


@feature("activation checkpointing")
def checkpointing(kind: Kind) -> None:
    if kind.library == "matterhorn_pytorch":
        raise NotApplicable("its compiled neurons do not run again inside a backward pass")

    class Saving(Net):
        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = checkpoint(super().forward, x, use_reentrant=False)
            return y

    plain, saving = Net(kind), Saving(kind)
    x, y = batch()
    rows = []
    for model in (plain, saving):
        with watched(model) as monitor:
            F.cross_entropy(model(x), y).backward()
            rows.append([(row.name, row.spikes) for row in unharmed(monitor).layers])
    assert rows[0] == rows[1]


@feature("`torch.func`: functional_call and grad")
def functional(kind: Kind) -> None:
    model = Net(kind)
    weights = {name: p.detach() for name, p in nn.Module.named_parameters(model)}
    x, y = batch()

    def gradient() -> None:
        torch.func.grad(lambda w: F.cross_entropy(torch.func.functional_call(model, w, (x,)), y))(weights)
        model.shown = {}

    with watched(model) as monitor:
        torch.func.functional_call(model, weights, (x,))
        assert unharmed(monitor).layers[0].spikes.forward_passes == 1
    try:
        gradient()  # without us
    except (RuntimeError, TypeError) as error:
        raise NotApplicable("its layers do not run inside `torch.func.grad`") from error
    with watched(model) as monitor:
        gradient()
        assert not [finding for finding in monitor.report().findings if finding.check == "SPK001"]
        assert monitor.report().forward_passes == 1


@feature("`torch.func`: vmap")
def vectorized(kind: Kind) -> None:
    pair = torch.stack([batch(seed=seed)[0] for seed in (0, 1)])
    try:
        alone = torch.func.vmap(Net(kind))(pair)
    except (RuntimeError, TypeError) as error:
        raise NotApplicable("its layers do not run inside `torch.func.vmap`") from error
    finally:
        if kind.clear is not None:
            kind.clear()
    model = Net(kind)
    with watched(model) as monitor:
        assert torch.equal(alone, torch.func.vmap(model)(pair))
        report = unharmed(monitor, [])  # such tensors have no values to count
    assert report.unseen
