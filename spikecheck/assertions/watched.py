"""Run one batch through a copy of a model and record what its layers emit; the model itself stays unchanged."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn

from spikecheck.errors import SpikecheckError
from spikecheck.probe.model_state import random_state
from spikecheck.probe.session import Session
from spikecheck.probe.watchers import watchers
from spikecheck.readings import FlowReading
from spikecheck.site import Capture, Layout, Site, SiteKind
from spikecheck.stats.engine import measure_values

Loss = Callable[[Any, Any], Tensor]
Reset = Callable[[nn.Module], object]
Names = str | Iterable[str] | None
Batch = Tensor | tuple[Any, ...] | list[Any]


@dataclass(frozen=True)
class LayerSpikes:
    """The spikes of one spiking layer in one forward pass, all time steps together."""

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
    """What one forward pass showed."""

    inputs: tuple[Any, ...]
    target: Any
    output: Any = None
    axes: Layout = Layout()  # of the input
    layers: list[LayerSpikes] = field(default_factory=list)
    flows: Mapping[str, FlowReading] = field(default_factory=dict)
    logits: Tensor | None = None
    classes: int | None = None
    loss: Tensor | None = None
    unseen: Mapping[str, str] = field(default_factory=dict)

    @property
    def first(self) -> Tensor:
        """The first tensor that the model was called with."""
        return first_tensor(self.inputs)

    def chosen(self, layer: Names) -> list[LayerSpikes]:
        """Return the layers with these names or patterns; all layers without `layer`.

        Raises:
            SpikecheckError: there is no such layer.
        """
        if not self.layers:
            reasons = "".join(f"; {name}: {why}" for name, why in self.unseen.items())
            raise SpikecheckError(f'no spiking layer was observed: pass spikes=("layer name", ...){reasons}')
        names = list(dict.fromkeys(shown.name for shown in self.layers))
        wanted = matching(names, layer, "spiking layer")
        return [shown for shown in self.layers if shown.name in wanted]


def matching(names: Iterable[str], wanted: Names, what: str) -> list[str]:
    """Return the names that match `layer=`.

    Raises:
        SpikecheckError: a name or pattern matches nothing.
    """
    names = list(names)
    if wanted is None:
        return names
    patterns = [wanted] if isinstance(wanted, str) else list(wanted)
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise SpikecheckError(f"layer={pattern!r}: no {what} has this name; there are {', '.join(names)}")
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]


def parts(batch: Batch) -> tuple[tuple[Any, ...], Any]:
    """Return what the model is called with, and the target, from a batch (x, y) or x alone."""
    if isinstance(batch, Tensor):
        return (batch,), None
    if isinstance(batch, tuple | list) and batch and any(isinstance(part, Tensor) for part in batch):
        return (tuple(batch[:-1]), batch[-1]) if len(batch) > 1 else (tuple(batch), None)
    raise SpikecheckError(
        f"batch= takes the input tensor, or a tuple (input, target) as a DataLoader yields it; got {type_name(batch)}"
    )


def with_target(batch: Batch) -> tuple[tuple[Any, ...], Any]:
    """Return what the model is called with, and the target.

    Raises:
        SpikecheckError: the batch has no target.
    """
    inputs, target = parts(batch)
    if target is None:
        raise SpikecheckError("a loss needs a target: pass batch=(input, target), as the DataLoader yields it")
    return inputs, target


def type_name(value: object) -> str:
    """Return the type of a value, with the types of its elements."""
    inside = f" of {', '.join(type(part).__name__ for part in value)}" if isinstance(value, tuple | list) else ""
    return f"{type(value).__name__}{inside}"


def first_tensor(values: Iterable[Any]) -> Tensor:
    """Return the first tensor among the values."""
    return next(value for value in values if isinstance(value, Tensor))


def tensors_of(value: Any) -> list[Tensor]:
    """Return the tensors of a model's output, which may be nested."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Mapping):
        value = list(value.values())
    return [t for part in value for t in tensors_of(part)] if isinstance(value, tuple | list) else []


def duplicate(model: nn.Module) -> nn.Module:
    """Return a deep copy of a model, without the autograd graph of its state.

    PyTorch refuses to copy a tensor that has a graph, and a layer that stores its potential has one after each update.
    """
    if not isinstance(model, nn.Module):
        raise SpikecheckError(f"model= takes a torch.nn.Module, got {type(model).__name__}: pass the model itself")
    memo: dict[int, Any] = {}
    for _, module in model.named_modules():
        for tensor in tensors_of([*vars(module).values(), *module._buffers.values()]):
            if not tensor.is_leaf:
                memo[id(tensor)] = tensor.detach().clone()
    return copy.deepcopy(model, memo)


@contextmanager
def isolated_copy(model: nn.Module, *, train: bool | None = None) -> Iterator[nn.Module]:
    """Yield a copy of the model, with the monitors of this thread paused, and restore all random states afterwards."""
    copied = duplicate(model)
    if train is not None:
        copied.train(train)
    with isolated_state():
        yield copied


@contextmanager
def isolated_state() -> Iterator[None]:
    """Pause the monitors of this thread, and restore all random states afterwards, also those of CUDA devices."""
    restore = random_state()
    with torch.enable_grad(), watchers.pause():
        try:
            yield
        finally:
            restore()


def devices(model: nn.Module) -> list[int]:
    """Return the CUDA devices with parameters of the model: their random state is restored as well."""
    return sorted({p.device.index or 0 for _, p in model.named_parameters() if p.device.type == "cuda"})


def observe(
    model: nn.Module,
    batch: Batch,
    *,
    loss: Loss | None = None,
    spikes: Iterable[str] = (),
    reset: Reset | None = None,
    backward: bool = False,
    axes: Layout = Layout(),
    call: Callable[..., Any] | None = None,
) -> Observed:
    """Run one forward pass of an isolated copy and return what it showed; `backward` adds a backward pass.

    `call` is what calls the model, where that takes more than `model(*inputs)`.
    """
    inputs, target = parts(batch) if loss is None else with_target(batch)
    captures: list[Capture[Tensor]] = []
    names = [spikes] if isinstance(spikes, str | nn.Module) else list(spikes)
    session = Session(model, lambda capture, tier=2: captures.append(capture), values_of=measure_values, spikes=names)
    if reset is not None:
        reset(model)
    observed = Observed(inputs, target)
    session.install()
    try:
        observed.output = (call or model)(*inputs)
        observed.loss = None if loss is None else loss(observed.output, target)
        session.finish()
        if backward:
            run_backward(observed.output)
    finally:
        session.remove()
    known = session.snapshot(live=False)
    observed.flows = {name: r for name, r in known.readings.items() if isinstance(r, FlowReading)}
    observed.unseen = known.unseen
    assign(captures, observed)
    observed.axes = axes_of(observed, axes)
    return observed


def run_backward(output: Any) -> None:
    """Run a backward pass with a gradient of 1 for every element that the model returned."""
    roots = [t.float().sum() for t in tensors_of(output) if t.requires_grad and not t.is_complex()]
    if roots:
        torch.autograd.backward(torch.stack(roots).sum(), retain_graph=True)


def assign(captures: Iterable[Capture[Tensor]], observed: Observed) -> None:
    """Store the captures in the observation, the layers in the order of the data flow."""
    currents: dict[str, Tensor] = {}
    for capture in captures:
        site = capture.sites[0]
        if site.kind is SiteKind.INPUT:
            observed.axes = capture.layout
        elif site.kind is SiteKind.SPIKES:
            observed.layers.append(LayerSpikes(site, together(capture), capture.layout))
        elif site.kind is SiteKind.CURRENT:
            currents[site.name] = together(capture)
        elif site.kind is SiteKind.LOGITS:
            several = len(capture.values) > 1  # the loss of each time step
            observed.logits = torch.cat([v.flatten() for v in capture.values]) if several else capture.values[0]
            observed.classes = None if capture.loss_call is None else capture.loss_call.classes
    observed.layers = sorted(
        (LayerSpikes(s.site, s.spikes, s.layout, currents.get(s.name)) for s in observed.layers),
        key=lambda shown: shown.site.position,
    )


def together(capture: Capture[Tensor]) -> Tensor:
    """Return the time steps of a forward pass as one tensor."""
    return torch.stack(capture.values, dim=capture.layout.time or 0) if capture.stacked else capture.values[0]


def axes_of(observed: Observed, chosen: Layout) -> Layout:
    """Return the axes of the input: as chosen by the user, as the layers show, or by the length of the target.

    If the layers run along the only axis that is as long as the target, that axis is both: the model uses the batch
    axis as its time axis.
    """
    time = observed.axes.time if chosen.time is None else chosen.time
    batch = observed.axes.batch if chosen.batch is None else chosen.batch
    if isinstance(observed.target, Tensor) and observed.target.dim() and chosen.batch is None:
        fits = [axis for axis, size in enumerate(observed.first.shape[:2]) if size == len(observed.target)]
        mixed = observed.target.dim() == 1 and fits == [time]
        if len(fits) == 1 and (mixed or (batch is None and fits != [time])):
            batch = fits[0]
    return Layout(time, batch)
