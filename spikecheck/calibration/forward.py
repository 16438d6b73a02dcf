"""One forward pass of the user's own model, after which all but its weights is as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spikecheck.assertions.watched import Batch, Reset, parts, tensors_of, together
from spikecheck.errors import SpikecheckError
from spikecheck.probe.axes import Axes
from spikecheck.probe.find import clean
from spikecheck.probe.frameworks.base import Framework
from spikecheck.probe.layer import WatchedLayer
from spikecheck.probe.model_state import ModelState
from spikecheck.probe.session import Session
from spikecheck.probe.watchers import watchers
from spikecheck.site import Capture, Site, SiteKind
from spikecheck.stats.engine import measure_values


@dataclass
class LayerPass:
    """What one spiking layer showed; time is the first axis. `current` is what reaches it from the layers before."""

    site: Site
    spikes: Tensor
    current: Tensor | None = None
    module: nn.Module | None = None  # None where it is no module
    framework: Framework | None = None
    time_axis: int | None = None  # of what one call returns; None where a call is a time step
    input_weight: str = ""  # of a layer that makes its current inside: the attribute with its weight
    receives_gradient: bool = True  # whether the output depends on its spikes

    @property
    def name(self) -> str:
        """The name of the layer."""
        return self.site.name


@dataclass
class Calls:
    """What the modules of spiking layers were called with and returned, and when each module first ran."""

    arguments: dict[nn.Module, list[Tensor]] = field(default_factory=dict)
    outputs: dict[nn.Module, list[Tensor]] = field(default_factory=dict)

    def record(self, watched: WatchedLayer, module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        """Note one call of a spiking layer."""
        observation = watched.layer.framework.observe(module, args, kwargs, output)
        shown = observation.output if observation.output is not None else observation.spikes
        if isinstance(shown, Tensor):
            self.outputs.setdefault(module, []).append(shown)
        first = next((value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)), None)
        if first is not None:
            self.arguments.setdefault(module, []).append(first.detach())


class Forward:
    """Runs the model on one batch, as often as wanted, each time from the same state."""

    def __init__(
        self,
        model: nn.Module,
        batch: Batch,
        spikes: Iterable[str | nn.Module] = (),
        reset: Reset | None = None,
        time: Axes = None,
        call: Callable[..., Any] | None = None,
    ) -> None:
        self.model, self.reset, self.time = model, reset, time
        self.inputs, _ = parts(batch)
        self.call = model if call is None else call
        self.spikes = [spikes] if isinstance(spikes, str | nn.Module) else list(spikes)
        self.modules = {clean(name): module for name, module in model.named_modules()}
        self.order: dict[str, int] = {}  # the place of each module that ran
        self.fed_by: dict[str, str] = {}  # the weighted module before it

    def run(self) -> list[LayerPass]:
        """Return what the spiking layers showed, in the order of the data flow."""
        captures: list[Capture[Tensor]] = []
        session = Session(
            self.model,
            lambda capture, tier=2: captures.append(capture),
            values_of=measure_values,
            spikes=self.spikes,
            axes=(self.time, None),
        )
        with undisturbed(self.model):
            if self.reset is not None:
                self.reset(self.model)
            calls = Calls()
            hooks = [hooked(watched, calls) for watched in session.layers]
            session.install()
            try:
                output = self.call(*self.inputs)
                session.finish()
            finally:
                session.remove()
                for hook in hooks:
                    hook.remove()
            layers = self.layers(session, captures, calls)
            if layers and layers[-1].module in calls.outputs:
                layers[-1].receives_gradient = depends_on(output, calls.outputs[layers[-1].module])
        self.order, self.fed_by = dict(session.trace.order), dict(session.trace.fed_by)
        return layers

    def layers(self, session: Session, captures: list[Capture[Tensor]], calls: Calls) -> list[LayerPass]:
        """Return the spiking layers with what the captures show of them."""
        unseen = session.snapshot(live=False).unseen
        by_name: dict[str, LayerPass] = {}
        for capture in captures:
            site = capture.sites[0]
            if site.kind is SiteKind.SPIKES:
                if capture.axes_in_doubt:
                    raise SpikecheckError(f"{site.name}: {unseen.get(site.name)} (time= of calibrate() is the same)")
                axis = None if capture.stacked else capture.layout.time
                by_name[site.name] = LayerPass(site, time_first(capture), time_axis=axis)
        for capture in captures:
            shown = by_name.get(capture.sites[0].name)
            if shown is not None and capture.sites[0].kind is SiteKind.CURRENT:
                shown.current = time_first(capture)
        for name, shown in by_name.items():
            shown.module = self.modules.get(name.partition(" (")[0])
            watched = session.layers.by_name.get(name.partition(" (")[0])
            shown.framework = None if watched is None else watched.layer.framework
            if shown.current is None and shown.module is not None and shown.framework is not None:
                shown.input_weight = shown.framework.input_weight
                shown.current = current_inside(shown.module, shown.input_weight, calls.arguments[shown.module])
        return sorted(by_name.values(), key=lambda shown: shown.site.position)


def hooked(watched: WatchedLayer, calls: Calls) -> Any:
    """Return the hook that records the calls of a layer."""
    return watched.layer.module.register_forward_hook(
        lambda module, args, kwargs, output: calls.record(watched, module, args, kwargs, output), with_kwargs=True
    )


def time_first(capture: Capture[Tensor]) -> Tensor:
    """Return the values of a capture with time as the first axis."""
    values, time = together(capture), capture.layout.time
    return values.unsqueeze(0) if time is None else values.movedim(time, 0)


def current_inside(module: nn.Module, weight: str, arguments: list[Tensor]) -> Tensor | None:
    """Return the current that a layer makes of its input by a weight inside of it; None where it is not known."""
    inner = getattr(module, weight, None) if weight else None
    if not isinstance(inner, Tensor):
        return None
    steps = arguments[0] if len(arguments) == 1 and arguments[0].dim() > 2 else torch.stack(arguments)
    return F.linear(steps, inner.detach())


def depends_on(output: Any, spikes: list[Tensor]) -> bool:
    """Return whether what the model returned was computed from the spikes; True where no graph tells."""
    roots = [value for value in tensors_of(output) if value.requires_grad and not value.is_complex()]
    leaves = [value for value in spikes if value.requires_grad]
    if not roots or not leaves:
        return True
    gradients = torch.autograd.grad(
        torch.stack([root.float().sum() for root in roots]).sum(), leaves, allow_unused=True
    )
    return any(gradient is not None for gradient in gradients)


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Restore everything that a forward pass changes: states, buffers, attributes, random states."""
    before = ModelState.of([model], None)
    with torch.enable_grad(), watchers.pause():
        try:
            yield
        finally:
            before.restore()
