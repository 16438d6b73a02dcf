"""One batch through a copy of a model: what its layers emit, while the model itself stays as it was."""

from __future__ import annotations

import copy
import random
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn

from spikecheck.errors import SpikecheckError
from spikecheck.probe.session import Session
from spikecheck.probe.watchers import watchers
from spikecheck.readings import FlowReading
from spikecheck.site import Capture, Layout, Site, SiteKind
from spikecheck.stats.engine import values_of

Loss = Callable[[Any, Any], Tensor]
Reset = Callable[[nn.Module], object]
Names = str | Iterable[str] | None
Batch = Tensor | tuple[Any, ...] | list[Any]


@dataclass(frozen=True)
class Shown:
    """What one spiking layer emitted in one forward, all steps together."""

    site: Site
    spikes: Tensor
    layout: Layout
    current: Tensor | None = None

    @property
    def name(self) -> str:
        """The layer's name in the model."""
        return self.site.name


@dataclass
class Observed:
    """What one forward showed."""

    inputs: tuple[Any, ...]
    target: Any
    output: Any = None
    axes: Layout = Layout()  # of the input
    layers: list[Shown] = field(default_factory=list)
    flows: Mapping[str, FlowReading] = field(default_factory=dict)
    logits: Tensor | None = None
    classes: int | None = None
    loss: Tensor | None = None
    unseen: Mapping[str, str] = field(default_factory=dict)

    @property
    def first(self) -> Tensor:
        """The tensor that the model was called with."""
        return first_tensor(self.inputs)

    def chosen(self, layer: Names) -> list[Shown]:
        """The layers of these names or patterns, all without any; SpikecheckError where there is none."""
        if not self.layers:
            told = "".join(f"; {name}: {why}" for name, why in self.unseen.items())
            raise SpikecheckError(f'no spiking layer was seen: pass spikes=("layer name", ...){told}')
        names = list(dict.fromkeys(shown.name for shown in self.layers))
        wanted = matching(names, layer, "spiking layer")
        return [shown for shown in self.layers if shown.name in wanted]


def matching(names: Iterable[str], wanted: Names, what: str) -> list[str]:
    """The names that a name or pattern of `layer=` means; SpikecheckError where one means nothing."""
    names = list(names)
    if wanted is None:
        return names
    patterns = [wanted] if isinstance(wanted, str) else list(wanted)
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise SpikecheckError(f"layer={pattern!r}: no {what} is called so; there are {', '.join(names)}")
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]


def parts(batch: Batch) -> tuple[tuple[Any, ...], Any]:
    """A batch as a DataLoader gives it, (x, y) or x alone: what the model is called with, and the target."""
    if isinstance(batch, Tensor):
        return (batch,), None
    if isinstance(batch, tuple | list) and batch and any(isinstance(part, Tensor) for part in batch):
        return (tuple(batch[:-1]), batch[-1]) if len(batch) > 1 else (tuple(batch), None)
    raise SpikecheckError(
        f"batch= takes the input tensor, or a tuple of input and target as a DataLoader gives it; got {said(batch)}"
    )


def with_target(batch: Batch) -> tuple[tuple[Any, ...], Any]:
    """A batch for a loss: what the model is called with, and the target; SpikecheckError where it has none."""
    inputs, target = parts(batch)
    if target is None:
        raise SpikecheckError("this needs a target: pass batch=(input, target), as the DataLoader gives it")
    return inputs, target


def said(thing: object) -> str:
    """A value by its type, in a sentence."""
    inside = f" of {', '.join(type(part).__name__ for part in thing)}" if isinstance(thing, tuple | list) else ""
    return f"{type(thing).__name__}{inside}"


def first_tensor(values: Iterable[Any]) -> Tensor:
    """The first tensor among values, which a batch always has."""
    return next(value for value in values if isinstance(value, Tensor))


def tensors_of(value: Any) -> list[Tensor]:
    """The tensors of a model's output, nested as it may be."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Mapping):
        value = list(value.values())
    return [t for part in value for t in tensors_of(part)] if isinstance(value, tuple | list) else []


def duplicate(model: nn.Module) -> nn.Module:
    """A deep copy; a state that still hangs on the graph of an earlier forward is copied without the graph.

    torch refuses to copy such a tensor, and a layer that keeps its potential has one after every training step.
    """
    if not isinstance(model, nn.Module):
        raise SpikecheckError(f"model= takes a torch.nn.Module, got {type(model).__name__}: pass the model itself")
    memo: dict[int, Any] = {}
    for module in model.modules():
        kept = [*vars(module).values(), *module._buffers.values()]
        for tensor in tensors_of(kept):
            if not tensor.is_leaf:
                memo[id(tensor)] = tensor.detach().clone()
    return copy.deepcopy(model, memo)


@contextmanager
def apart(model: nn.Module, *, train: bool | None = None) -> Iterator[nn.Module]:
    """A copy to experiment on. Afterwards every random state is what it was; attached monitors see nothing of it."""
    twin = duplicate(model)
    if train is not None:
        twin.train(train)
    numpy = sys.modules.get("numpy")
    states = random.getstate(), numpy.random.get_state() if numpy else None
    with torch.random.fork_rng(devices=devices(model)), torch.enable_grad(), watchers.pause():
        try:
            yield twin
        finally:
            random.setstate(states[0])
            if numpy:
                numpy.random.set_state(states[1])


def devices(model: nn.Module) -> list[int]:
    """The CUDA devices that hold the model's parameters: their random state is put back as well."""
    return sorted({p.device.index or 0 for p in model.parameters() if p.device.type == "cuda"})


def look(
    model: nn.Module,
    batch: Batch,
    *,
    loss: Loss | None = None,
    spikes: Iterable[str] = (),
    reset: Reset | None = None,
    back: bool = False,
    axes: Layout = Layout(),
) -> Observed:
    """One forward of a model that was set apart, and what it showed; `back` sends a gradient back from its output."""
    inputs, target = parts(batch) if loss is None else with_target(batch)
    found: list[Capture[Tensor]] = []
    told = [spikes] if isinstance(spikes, str | nn.Module) else list(spikes)
    session = Session(model, found.append, look=values_of, spikes=told)
    if reset is not None:
        reset(model)
    seen = Observed(inputs, target)
    session.install()
    try:
        seen.output = model(*inputs)
        seen.loss = None if loss is None else loss(seen.output, target)
        session.finish()
        if back:
            send_back(seen.output)
    finally:
        session.remove()
    known = session.snapshot(live=False)
    seen.flows = {name: r for name, r in known.readings.items() if isinstance(r, FlowReading)}
    seen.unseen = known.unseen
    sort(found, seen)
    seen.axes = axes_of(seen, axes)
    return seen


def send_back(output: Any) -> None:
    """A gradient of 1 from every number that the model returned."""
    roots = [t.float().sum() for t in tensors_of(output) if t.requires_grad and not t.is_complex()]
    if roots:
        torch.autograd.backward(torch.stack(roots).sum(), retain_graph=True)


def sort(captures: Iterable[Capture[Tensor]], seen: Observed) -> None:
    """Put what passed to where it belongs, the layers in the order of the data flow."""
    currents: dict[str, Tensor] = {}
    for capture in captures:
        site = capture.sites[0]
        if site.kind is SiteKind.INPUT:
            seen.axes = capture.layout
        elif site.kind is SiteKind.SPIKES:
            seen.layers.append(Shown(site, together(capture), capture.layout))
        elif site.kind is SiteKind.CURRENT:
            currents[site.name] = together(capture)
        elif site.kind is SiteKind.LOGITS:
            several = len(capture.values) > 1  # the loss of each time step
            seen.logits = torch.cat([v.flatten() for v in capture.values]) if several else capture.values[0]
            seen.classes = None if capture.loss_call is None else capture.loss_call.classes
    seen.layers = sorted(
        (Shown(s.site, s.spikes, s.layout, currents.get(s.name)) for s in seen.layers),
        key=lambda shown: shown.site.position,
    )


def together(capture: Capture[Tensor]) -> Tensor:
    """The steps of a forward as one tensor."""
    return torch.stack(capture.values, dim=capture.layout.time or 0) if capture.stacked else capture.values[0]


def axes_of(seen: Observed, told: Layout) -> Layout:
    """The input's axes: as told, else as the layers show, else the batch by the length of the target.

    Where the layers run along the one axis that is as long as a target of one class a sample, both are that axis: what
    is the batch was taken for time.
    """
    time = seen.axes.time if told.time is None else told.time
    batch = seen.axes.batch if told.batch is None else told.batch
    if isinstance(seen.target, Tensor) and seen.target.dim() and told.batch is None:
        fits = [axis for axis, size in enumerate(seen.first.shape[:2]) if size == len(seen.target)]
        mixed = seen.target.dim() == 1 and fits == [time]
        if len(fits) == 1 and (mixed or (batch is None and fits != [time])):
            batch = fits[0]
    return Layout(time, batch)
