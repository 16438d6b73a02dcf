"""Puts hooks on a model, its losses and its optimizer, and takes every one of them off again."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.optimizer import Optimizer

from spikecheck.probe.axes import input_layout, share_layout
from spikecheck.probe.clock import Clock
from spikecheck.probe.find import clean, decide, find
from spikecheck.probe.frameworks import generic
from spikecheck.probe.frameworks.base import Heard, tensors
from spikecheck.probe.hook import Hook
from spikecheck.probe.layer import Layer
from spikecheck.probe.loss import GuardedListener, Listener
from spikecheck.probe.lossbook import LossBook
from spikecheck.probe.modes import Modes
from spikecheck.probe.optimizer import OptimizerWatch
from spikecheck.probe.ownership import GraphSpan
from spikecheck.probe.torch_private import calls_running, in_backward, is_functorch_tensor
from spikecheck.probe.trace import Trace
from spikecheck.probe.watchers import watchers
from spikecheck.readings import FlowReading, InputReading, ModeReading, RunReading
from spikecheck.site import Capture, LossCall, Site, SiteKind

MOST_HELD = 4096  # calls kept before they are counted without waiting for the end of a forward


@dataclass(frozen=True)
class Snapshot:
    """What a session knows at one moment, beside what it has handed on."""

    run: RunReading
    readings: Mapping[str, FlowReading | ModeReading]  # by layer, and by module that behaves otherwise in evaluation
    modules: tuple[Site, ...]
    parameters: Capture[Tensor] | None
    loss_seen: bool
    optimizer: str | None
    unseen: Mapping[str, str]


class Session:
    """Everything that is hooked for one model; `sink` gets what passes.

    `guard` wraps every entry point, so that an error of ours is caught in one place. `look` says what values a tensor
    holds: it is asked in the first forwards alone, about layers that no library's file knows. `due` is called when
    the optimizer is about to step (or, in a run without one, after a forward): the moment to judge.
    """

    def __init__(
        self,
        model: nn.Module,
        sink: Callable[[Capture[Tensor]], None],
        *,
        look: Callable[[Tensor], InputReading],
        guard: Callable[[Callable[..., None]], Callable[..., None]] = lambda entry: entry,
        due: Callable[..., None] = lambda error=None: None,
        observed: Callable[[int], bool] = lambda forward: True,
        spikes: Iterable[str | nn.Module] = (),
        loss: nn.Module | None = None,
        optimizer: Optimizer | None = None,
    ) -> None:
        self.model, self.sink, self.look, self.due, self.observed = model, sink, look, due, observed
        self.guard, self.criterion = guard, loss
        self.clock = Clock()
        self.modes = Modes(model)
        self.trace = Trace()
        self.handles: list[Any] = []
        self.tracing: list[Any] = []
        self.made: list[Hook] = []
        parameters = {clean(name): parameter for name, parameter in model.named_parameters()}
        self.optimizers = OptimizerWatch(parameters, sink, self.position_of, only=optimizer)
        self.layers = {layer.name: layer for layer in find(model, spikes)}
        self.listener: Listener = GuardedListener(self, guard)
        self.inputs: list[Tensor] = []
        self.book = LossBook()
        self.watching = True  # this forward
        self.inside = 0
        self.elsewhere: set[int] = set()  # threads whose calls of the model are not observed
        self.grad = True  # do the calls that make up this forward record gradients?
        self.entry: nn.Module | None = None  # the module that gets the input of a model that is not called itself
        self.compiled = False
        self.span = GraphSpan(model.parameters())
        self.claimed: set[Any] = set()  # autograd functions of this forward that a layer has taken for its own
        self.first_of_sequence = True
        self.unseen: dict[str, str] = {}
        self.most_calls = 0

    def position_of(self, parameter: str) -> int:
        """The place in the forward of the module that owns a parameter; 0 where it never ran."""
        return self.trace.order.get(parameter.rpartition(".")[0], 0)

    def hook(
        self,
        call: Callable[..., None],
        wanted: Callable[[], bool] | None = None,
        traced: Callable[..., None] | None = None,
    ) -> Hook:
        """An entry point of ours as torch's hook dictionaries take it; `traced` is told where torch.compile took it."""
        made = Hook(self.guard(call), wanted, None if traced is None else self.guard(traced))
        self.made.append(made)
        return made

    def install(self) -> None:
        """Put everything on."""
        before = self.hook(self.forward_begins, None, self.traced_begins)
        after = self.hook(self.forward_ended, None, self.traced_ended)
        self.handles.append(self.model.register_forward_pre_hook(before, with_kwargs=True))
        self.handles.append(self.model.register_forward_hook(after, with_kwargs=True, always_call=True))
        for layer in self.layers.values():
            self.put_on(layer)
        for name, module in self.model.named_modules():
            if module is not self.model:
                hook = self.hook(partial(self.module_ran, clean(name)))
                self.tracing.append(module.register_forward_hook(hook))
        if self.criterion is not None:
            self.handles.append(self.criterion.register_forward_hook(self.hook(self.criterion_returned)))
        watchers.add(self)

    def put_on(self, layer: Layer) -> None:
        """Hook a layer's calls and returns; what is not wanted is turned away before it costs anything.

        What runs inside a backward pass is a checkpoint that computes a forward again.
        """

        def first() -> bool:
            return (
                ((not layer.calls & (layer.calls - 1) and self.watching) or self.inside == 0)
                and not in_backward()
                and not (self.elsewhere and threading.get_ident() in self.elsewhere)
            )

        def seen() -> bool:
            return (
                self.watching
                and not layer.gone
                and not in_backward()
                and not (self.elsewhere and threading.get_ident() in self.elsewhere)
            )

        before = self.hook(partial(self.layer_called, layer), first)
        after = self.hook(partial(self.layer_returned, layer), seen, partial(self.traced_returned, layer))
        self.handles.append(layer.module.register_forward_pre_hook(before, with_kwargs=True))
        self.handles.append(layer.module.register_forward_hook(after, with_kwargs=True))

    def remove(self) -> None:
        """Take everything off, and let go of every tensor; twice does no harm."""
        watchers.discard(self)
        for handle in (*self.handles, *self.tracing):
            handle.remove()
        for hook in self.made:
            hook.forget()
        self.handles, self.tracing, self.made = [], [], []
        self.trace.close()
        for layer in self.layers.values():
            layer.forget()
        self.inputs.clear()
        self.book.forget()
        self.optimizers.before = []

    # -- the model

    def forward_begins(self, model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """The model is called; a forward pass that never returned, since it was interrupted, is closed first."""
        here = threading.get_ident()
        if self.inside and not self.is_running(model):
            self.inside = 0
            self.end()
        if self.inside and self.span.thread != here:
            self.elsewhere.add(here)  # one pass at a time: a second thread's is not observed
            return
        self.inside += 1
        if self.inside == 1:
            self.begin(torch.is_grad_enabled(), [*args, *kwargs.values()])

    def begin(self, training: bool, given: Sequence[Any]) -> None:
        """A forward begins."""
        watchers.forward_begins(self)
        self.grad = training
        self.first_of_sequence = self.clock.forward(training)
        if not training:
            self.flush_losses()
        self.watching = self.observed(self.clock.forward_passes)
        self.take_input(given)

    def is_running(self, model: nn.Module | None = None) -> bool:
        """Return whether the pass that began last is still running; `model` is being called for another one here.

        torch does not tell when KeyboardInterrupt ends a call, so the stack of the thread is looked at.
        """
        here = threading.get_ident()
        if self.inside == 0 or (model is None and self.span.thread != here):
            return False
        frame = sys._current_frames().get(self.span.thread)
        calls = calls_running(self.model if model is None else model, frame)
        return calls is None or calls > (model is not None and self.span.thread == here)

    def take_input(self, values: Sequence[Any]) -> None:
        """Keep what the model is called with."""
        given = tensors(values)
        if self.watching and given and not given[0].is_complex() and not is_functorch_tensor(given[0]):
            self.inputs.append(given[0].detach())
        elif self.watching:
            self.unseen["input"] = "it holds complex numbers" if given else "no tensor was among the arguments"

    def forward_ended(self, model: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        """The model returned, or raised."""
        if threading.get_ident() in self.elsewhere:
            self.elsewhere.remove(threading.get_ident())
            return
        self.book.returned(output)
        self.inside -= 1
        if self.inside == 0:
            self.end()

    def end(self) -> None:
        """A forward is over."""
        watchers.forward_ends(self)
        self.flush()
        if self.clock.forward_passes == 1 and not self.compiled:  # a hook less, and torch would compile once more
            self.stop_tracing()
        if self.optimizers.steps == 0 and not self.grad:
            self.modes.look()
            self.due()

    def begin_without_root(self, layer: Layer) -> None:
        """A layer is called, and the model was not: its parts are, or its `forward` is, one by one or in a loop."""
        again = layer.calls > 0 and layer.layout is not None  # a whole sequence, once more
        if self.clock.since_boundary == 0 or again or self.grad != torch.is_grad_enabled():
            if self.clock.forward_passes:
                self.end()
            held, self.inputs = self.inputs, []
            self.begin(torch.is_grad_enabled(), held)
            if not held:
                self.unseen["input"] = "the model itself was not called, only modules of it"

    def entered(self, module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """The first module of a model that is not called itself gets the input."""
        if self.inside == 0:
            self.inputs = [value.detach() for value in tensors([*args, *kwargs.values()])[:1]]

    # -- the model in compiled code

    def traced_begins(self, grad: bool, given: Sequence[Any], output: Any) -> None:
        """The model is called, in compiled code; what its layers keep on themselves is what they start from."""
        self.begin(grad, given)
        for layer in self.layers.values():
            layer.begin((), {})

    def traced_returned(self, layer: Layer, grad: bool, given: Sequence[Any], output: Any) -> None:
        """A layer returned, in compiled code."""
        self.compiled = True
        self.trace.order.setdefault(layer.name, len(self.trace.order) + 1)
        if self.watching:
            layer.hear_traced(grad, given, output)

    def traced_ended(self, grad: bool, given: Sequence[Any], output: Any) -> None:
        """The model returned, in compiled code."""
        self.end()

    def module_ran(self, name: str, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        """Any module ran, in the first forward."""
        if self.inside == 0 and self.entry is None:
            self.entry = module
            self.handles.append(module.register_forward_pre_hook(self.hook(self.entered), with_kwargs=True))
        self.trace.ran(name, module, args, output)

    def stop_tracing(self) -> None:
        """The first forward is over: its order is known."""
        for handle in self.tracing:
            handle.remove()
        self.tracing = []
        self.trace.close()

    # -- its spiking layers

    def layer_called(self, layer: Layer, module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """A spiking layer is called, for the first time in this sequence."""
        if self.inside == 0:
            self.begin_without_root(layer)
        layer.begin(args, kwargs)

    def layer_returned(
        self, layer: Layer, module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Any
    ) -> None:
        """A spiking layer returned, or a module that may turn out to be one."""
        layer.hear(args, kwargs, output)
        if self.clock.training_forwards <= 1 and layer.held[SiteKind.SPIKES]:
            layer.claim(args, output, self.claimed)
        self.hold(layer)

    def hold(self, layer: Layer) -> None:
        """Keep what a layer showed to the end of the forward, unless that does not come."""
        if layer.calls >= MOST_HELD:
            self.flush()

    def flush(self) -> None:
        """Hand on what the forward showed."""
        self.most_calls = max([self.most_calls, *(layer.calls for layer in self.layers.values())])
        self.decide()
        share_layout(self.layers.values())
        shapes: list[Capture[Tensor]] = []
        for layer in self.layers.values():
            layer.position = self.trace.order.get(layer.name, 0)
            layer.fed_by = self.trace.fed_by.get(layer.name)
            captures = list(layer.empty(self.clock.update, self.first_of_sequence))
            shapes += captures[:1]
            for capture in captures:
                self.sink(capture)
        site = Site(SiteKind.INPUT, "input", 0, self.framework)
        for tensor in self.inputs:
            self.sink(Capture((site,), (tensor,), input_layout(tensor, shapes), self.grad, self.clock.update))
        self.inputs.clear()
        self.claimed.clear()

    def finish(self) -> None:
        """Hand on everything there is: the forward pass and its losses are over."""
        self.flush()
        self.flush_losses()

    def settle(self) -> None:
        """Hand on what no end was seen of: taps, or parts of a model that is not called itself.

        Not while another thread, which may be in the middle of it, is alive.
        """
        ours = self.span.thread in (0, threading.get_ident()) or self.span.thread not in sys._current_frames()
        if ours and not self.is_running():
            self.flush()

    def decide(self) -> None:
        """Keep the candidates that turned out to spike; let go of those that did not."""
        for layer in [layer for layer in self.layers.values() if not layer.certain and layer.calls]:
            answer = decide(layer, self.look, self.clock.forward_passes)
            if answer is True:
                layer.certain = True
            elif answer is False:
                self.layers.pop(layer.name).let_go()

    # -- losses and the backward pass

    def loss_computed(self, call: LossCall, logits: Tensor, targets: Tensor, value: Tensor) -> None:
        """A loss was computed, by torch or by the criterion that was named."""
        if self.clock.forward_passes and not logits.is_complex() and watchers.owns(self, (logits,)):
            self.book.enter(call, logits, targets, value)
            self.clock.boundary()

    def criterion_returned(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        """The criterion that was named returned; torch's own losses inside it are seen by themselves."""
        if isinstance(output, Tensor) and not self.book.calls:
            self.loss_computed(LossCall(type(module).__name__, plain_mean=False), output, output, output)

    def loss_failed(self, call: LossCall, logits: Tensor, targets: Tensor, error: Exception) -> None:
        """torch refused to compute a loss."""
        if watchers.owns(self, (logits,)):
            self.book.enter(call, logits, targets, None)
            self.flush_losses()
            self.due(error)

    def flush_losses(self) -> None:
        """Hand on the losses since the last backward pass, each function's calls together."""
        last = 1 + max([0, *self.trace.order.values()])
        for capture in self.book.empty(self.clock.update, last, self.framework):
            self.sink(capture)

    def backward_begins(self, roots: tuple[Tensor, ...]) -> None:
        """`backward()` is called; a loss that torch did not compute is seen here at the latest."""
        concerned = watchers.owns(self, roots)
        self.span.backward_begins(concerned)
        if not concerned:
            return
        self.optimizers.backward_begins()
        if not self.book.calls and self.clock.since_boundary:
            self.book.enter_roots(roots)
        self.flush()
        self.flush_losses()
        self.clock.backward()

    def backward_ended(self, error: Exception | None) -> None:
        """The backward pass is over."""
        if not self.span.in_backward():
            return
        if error is not None:
            self.due(error)
            return
        self.optimizers.backward_ended()
        for layer in self.layers.values():
            layer.after_backward()

    # -- the optimizer

    def optimizer_steps(self, optimizer: Optimizer) -> None:
        """An optimizer is about to step."""
        if self.optimizers.concerns(optimizer):
            self.flush_losses()
            self.optimizers.before_step(optimizer, self.clock.update)
            self.modes.look()
            self.due()

    def optimizer_stepped(self, optimizer: Optimizer) -> None:
        """An optimizer has stepped."""
        if self.optimizers.concerns(optimizer):
            self.optimizers.after_step(optimizer, self.clock.update)
            self.clock.update += 1

    # -- what is known beside what was handed on

    @property
    def update(self) -> int:
        """The updates that the optimizer has made."""
        return self.clock.update

    @property
    def forward_passes(self) -> int:
        """The forward passes so far."""
        return self.clock.forward_passes

    def snapshot(self, *, live: bool) -> Snapshot:
        """Return what is known now."""
        moded, layers = self.modes.readings(self.trace.calls), self.spiking()
        order, library = self.trace.order, self.framework
        sites = [layer.site(SiteKind.MODULE) for layer in layers if layer.forward_passes]
        sites += [Site(SiteKind.MODULE, name, order.get(name, 0), library) for name in moded]
        return Snapshot(
            self.run(live=live),
            {**moded, **self.flows()},
            tuple(sites),
            self.optimizers.parameters(self.clock.update),
            self.book.seen,
            self.optimizers.kind,
            self.unseen | {layer.name: layer.unseen for layer in layers if layer.unseen},
        )

    def run(self, *, live: bool) -> RunReading:
        """The run as a whole."""
        return RunReading(
            live=live,
            update=self.clock.update,
            forward_passes=self.clock.forward_passes,
            backward_passes=self.clock.backward_passes,
            called_per_time_step=self.clock.called_per_time_step(self.most_calls),
            frameworks=tuple(sorted({layer.framework.name for layer in self.spiking()})),
            without_gradients=self.clock.training_forwards == 0,
        )

    def miss_tap(self, name: str) -> None:
        """A tap was called, and nothing tells which of several watched models it belongs to."""
        self.unseen[name] = "several models are watched, and nothing tells which of them this tap() belongs to"

    def tap(self, name: str, spikes: Tensor, current: Tensor | None, potential: Tensor | None) -> None:
        """The script shows the spikes of code that is no module."""
        self.guard(self.hear_tap)(name, Heard(spikes, current, potential))

    def hear_tap(self, name: str, heard: Heard) -> None:
        """Keep what a tap shows; outside of any forward, the first tap of a sequence begins one."""
        if self.inside == 0 and self.clock.since_boundary == 0:
            watchers.forward_begins(self, in_sight=False)
            self.first_of_sequence = self.clock.forward(torch.is_grad_enabled())
            self.watching = self.observed(self.clock.forward_passes)
        if not self.watching:
            return
        self.trace.order.setdefault(name, len(self.trace.order) + 1)
        layer = self.layers.setdefault(name, Layer(name, nn.Identity(), generic.Generic()))
        layer.tapped(heard)
        self.hold(layer)

    def refresh(self) -> None:
        """Read the neurons' parameters anew with the next forward: they may be learned."""
        for layer in self.layers.values():
            layer.spec = None

    @property
    def framework(self) -> str | None:
        """The library of the model's layers; the first, where they are of several."""
        return next((layer.framework.name for layer in self.layers.values() if layer.certain), None)

    def spiking(self) -> list[Layer]:
        """The layers that are known to spike, in the order of the data flow."""
        return sorted((la for la in self.layers.values() if la.certain), key=lambda layer: layer.position)

    def flows(self) -> dict[str, FlowReading]:
        """Whether gradients pass each spiking layer."""
        return {layer.name: layer.flow for layer in self.spiking() if layer.forward_passes}
