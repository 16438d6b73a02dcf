"""Memory does not grow with the number of steps."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

import spikecheck
from spikecheck.monitor import Monitor
from tests.promises.networks import Run, assert_watched, batch, by_hand, every


def tensors_of(monitor: Monitor, model: nn.Module) -> dict[int, Tensor]:
    """Every tensor that the monitor reaches, by whatever way, but for the model's own."""
    own = {id(t) for t in (*model.parameters(), *model.buffers())}
    visited: set[int] = {id(model), *map(id, model.modules())}
    tensors: dict[int, Tensor] = {}
    todo: list[object] = [monitor]
    while todo:
        thing = todo.pop()
        if id(thing) in visited or isinstance(thing, type) or type(thing).__name__ in ("module", "frame"):
            continue
        visited.add(id(thing))
        if isinstance(thing, Tensor):
            if id(thing) not in own:
                tensors[thing.untyped_storage().data_ptr()] = thing
            continue
        if isinstance(thing, Mapping) and "__name__" in thing and "__builtins__" in thing:
            continue  # a function's globals: the whole program hangs on them
        todo += gc.get_referents(thing)
    return tensors


def size(monitor: Monitor, model: nn.Module) -> int:
    return sum(t.untyped_storage().nbytes() for t in tensors_of(monitor, model).values())


@every
def test_the_bytes_held_after_128_updates_are_those_held_after_256(
    build: Callable[[], nn.Module],
) -> None:
    torch.manual_seed(0)
    run = Run(build())
    monitor = spikecheck.attach(run.model, on_finding=lambda _: None, every=1)
    held = {}
    for updates in (128, 256):  # windows and timelines are full by then, and as many forward passes are pending
        run.train(updates - len(run.losses))
        held[updates] = size(monitor, run.model)
    assert_watched(monitor.report())
    monitor.detach()
    assert held[128] > 1000, "the way to the monitor's tensors was not found"
    # The last 64 losses are kept, 4 bytes each, in up to four windows: that is all that may be added after update 128.
    assert held[256] <= held[128] + 4 * 64 * 4
    assert held[256] < 200_000


def test_no_graph_is_kept_alive_after_the_backward_pass() -> None:
    torch.manual_seed(0)
    run = Run(by_hand())
    monitor = spikecheck.attach(run.model, on_finding=lambda _: None)
    run.train(5)
    remaining = [t for t in tensors_of(monitor, run.model).values() if t.grad_fn is not None]
    monitor.detach()
    assert not remaining


def test_a_detached_monitor_holds_numbers_and_no_activations() -> None:
    torch.manual_seed(0)
    run = Run(by_hand())
    monitor = spikecheck.attach(run.model, on_finding=lambda _: None)
    run.train(3)
    run.model(batch()[0])  # a forward whose loss never comes
    monitor.detach()
    # One number a neuron and quantity, in windows; a batch of activations alone has more.
    assert all(t.numel() <= 80 for t in tensors_of(monitor, run.model).values())
