"""What a monitor sees of a model, and that the model notices nothing of it."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.conformance.features.registry import LAYERS, NotApplicable, counted, feature, unharmed, watched
from tests.conformance.table import BATCH, STEPS, Kind, Net, batch, train


@feature("attaches, and names the layers")
def attaches(kind: Kind) -> None:
    model = Net(kind)
    with watched(model) as monitor:
        train(model)
        report = unharmed(monitor)
    assert not report.incomplete, report.incomplete
    assert report.frameworks == (kind.library,)
    drives = [row.drive is not None for row in report.layers]
    assert drives == [kind.current] * 2


@feature("counts every spike of every step")
def counts(kind: Kind) -> None:
    for steps, samples in ((STEPS, BATCH), (STEPS, 1)):
        model = Net(kind)
        with watched(model) as monitor:
            model(batch(steps, samples)[0])
            report = unharmed(monitor)
        for row in report.layers:
            counted(row.spikes, model.shown[row.name])
            assert set(row.spikes.values) <= set(kind.values)


@feature("sees potentials")
def potentials(kind: Kind) -> None:
    if not kind.potential:
        raise NotApplicable("the layer shows none")
    model = Net(kind)
    with watched(model) as monitor:
        train(model, 1)
        unharmed(monitor)
        kinds = {(site.kind.label, site.name) for site in monitor._engine.sites(training=True)}
    assert {("potential", name) for name in LAYERS} <= kinds


@feature("training is bit-identical")
def identical(kind: Kind) -> None:
    def weights(watching: bool) -> list[Tensor]:
        torch.manual_seed(3)
        model = Net(kind)
        if watching:
            with watched(model) as monitor:
                losses = train(model)
                unharmed(monitor)
        else:
            losses = train(model)
        return [*losses, *(p.detach().clone() for p in model.parameters()), torch.get_rng_state()]

    assert all(torch.equal(a, b) for a, b in zip(weights(False), weights(True), strict=True))


@feature("detach leaves nothing")
def leaves_nothing(kind: Kind) -> None:
    model = Net(kind)
    model(batch()[0])
    before = state_of(model)
    with watched(model):
        train(model, 1)
        copy.deepcopy({name: p.detach() for name, p in nn.Module.named_parameters(model)})
    assert state_of(model) == before


def state_of(model: nn.Module) -> dict[str, Any]:
    """Attributes and hooks of every module."""
    state: dict[str, Any] = {}
    for name, module in model.named_modules():
        state[name] = sorted(vars(module))
        hooks = {key: value for key, value in vars(module).items() if "hooks" in key and isinstance(value, dict)}
        state[f"{name} hooks"] = {key: list(value) for key, value in hooks.items()}
    return state


@feature("two models at once")
def two(kind: Kind) -> None:
    one, other = Net(kind), Net(kind)
    with watched(one) as first, watched(other) as second:
        x, y = batch()
        optimizers = [torch.optim.SGD(model.parameters(), lr=1e-3) for model in (one, other)]
        losses = [F.cross_entropy(one(x), y), F.cross_entropy(other(x), y)]
        for loss, optimizer in zip(losses, optimizers, strict=True):
            loss.backward()
            optimizer.step()
        F.cross_entropy(one(x), y)
        assert [m.report().updates for m in (first, second)] == [1, 1]
        assert (first._session.clock.backward_passes, second._session.clock.backward_passes) == (1, 1)
        assert (first._session.clock.forward_passes, second._session.clock.forward_passes) == (2, 1)


@feature("evaluation kept apart")
def evaluation(kind: Kind) -> None:
    model = Net(kind)
    with watched(model) as monitor:
        train(model, 2)
        before = unharmed(monitor).layers
        with torch.no_grad():
            model(batch(rate=0.9)[0])
        assert unharmed(monitor).layers == before
        train(model, 1)
        assert unharmed(monitor).layers[0].spikes.forward_passes == 3


@feature("an attached model can be copied")
def copies(kind: Kind) -> None:
    model = Net(kind)
    object.__setattr__(model, "kind", None)
    with watched(model):
        twin = copy.deepcopy(model)
    hooks = [h for _, m in twin.named_modules() for h in (*m._forward_hooks.values(), *m._forward_pre_hooks.values())]
    assert not [hook for hook in hooks if type(hook).__module__.startswith("spikecheck")]
