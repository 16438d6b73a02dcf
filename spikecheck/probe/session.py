"""The watching of one model: puts hooks on it, receives what happens, hands on what is to be measured.

Captures go out through `sink`, and the moment to evaluate through `evaluate`; what needs no measuring is in a
`Snapshot`. A monitor uses `install`, `remove`, `settle`, `snapshot`, `refresh`, `describe`, `update` and
`forward_passes`, and nothing else of a session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.optimizer import Optimizer

from spikecheck.probe.axes import Axes, give_axes, share_layout
from spikecheck.probe.batches import KeptBatches
from spikecheck.probe.call_log import MAX_HELD_CALLS
from spikecheck.probe.clock import Clock
from spikecheck.probe.find import clean, find, named_parameters, parameter_paths
from spikecheck.probe.frameworks.base import Observation
from spikecheck.probe.functional import NO_OWNER, FunctionalCode
from spikecheck.probe.hook import HookSet
from spikecheck.probe.inputs import captures, countable, input_finder, tensors_within, why_unseen
from spikecheck.probe.layer import Status, WatchedLayer
from spikecheck.probe.layer_hooks import hook_layer
from spikecheck.probe.layers import Layers
from spikecheck.probe.loss import GuardedListener, Listener
from spikecheck.probe.modes import Modes
from spikecheck.probe.optimizer import OptimizerWatch
from spikecheck.probe.ownership import GraphSpan
from spikecheck.probe.passes import Pass, Passes
from spikecheck.probe.paths import module_paths
from spikecheck.probe.pending_losses import PendingLosses
from spikecheck.probe.recorder import Recorder
from spikecheck.probe.snapshot import Snapshot
from spikecheck.probe.time_loop import state_of, was_reset
from spikecheck.probe.torch_private import in_backward, takes_hooks
from spikecheck.probe.trace import Trace
from spikecheck.probe.training import Training
from spikecheck.probe.watchers import watchers
from spikecheck.readings import InputReading
from spikecheck.site import LossCall, Site, SiteKind


class Session:
    """Everything that is hooked for one model.

    Args:
        model: the model.
        sink: receives each capture, and the highest tier of the statistics that are to measure it.
        values_of: says what values a tensor holds: needed in the first forward passes alone, for layers that no
            library's file knows.
        guard: wraps every entry point, so that an error of ours is caught in one place.
        evaluate: called when the optimizer is about to step, or, in a run without one, after a forward pass; with the
            error, when torch raised one in a loss or a backward pass.
        tier: returns the highest tier of the statistics for the forward pass that begins, with or without gradients.
        note: told of the calls of layers that no hook timed.
        spikes, loss, optimizer: as in `spikecheck.attach`.
        variable: the name by which the script knows the model.
        axes, batches: time and batch of layers, and what keeps batches, as in `spikecheck.attach`.
    """

    def __init__(
        self,
        model: nn.Module,
        sink: Callable[..., None],
        *,
        values_of: Callable[[Tensor], InputReading],
        guard: Callable[[Callable[..., None]], Callable[..., None]] = lambda entry: entry,
        evaluate: Callable[..., None] = lambda error=None: None,
        tier: Callable[[bool], int] = lambda training: 2,
        note: Callable[[int], object] = lambda calls: None,
        spikes: Iterable[str | nn.Module] = (),
        loss: nn.Module | None = None,
        optimizer: Optimizer | None = None,
        variable: str = "model",
        axes: tuple[Axes, Axes] = (None, None),
        batches: KeptBatches | None = None,
    ) -> None:
        self.model, self.criterion = model, loss
        self._sink, self._values_of, self._guard = sink, values_of, guard
        self._evaluate, self._tier, self._note = evaluate, tier, note
        self.training = Training(self)
        self.listener: Listener = GuardedListener(self.training, guard)
        self.span = GraphSpan(parameter for _, parameter in model.named_parameters())
        self._hooks = HookSet(guard)
        # for the whole run
        named, self.paths = named_parameters(model), module_paths(model, variable)
        self.clock, self.trace, self.modes = Clock(), Trace(), Modes(model, self.paths)
        self.variable, self._input_of = variable, input_finder(model)
        self.layers = Layers(find(model, spikes, variable))
        give_axes(self.layers, *axes)
        self.losses = PendingLosses()
        self.batches = batches or KeptBatches(0)
        self.optimizers = OptimizerWatch(
            named,
            sink,
            self.trace.position_of_parameter,
            only=optimizer,
            paths=parameter_paths(model, self.paths),
            is_training=lambda: model.training,
        )
        self.unseen: dict[str, str] = {}
        self.max_calls = 0  # of one layer in one forward pass
        self.input_tensors = 0  # that the model itself is called with
        self._entry: nn.Module | None = None  # the module that gets the input of a model that is not called itself
        self._compiled = False
        self.passes = Passes(model)
        self.functional = FunctionalCode(self, values_of, guard)
        self.applied = guard(self.functional.applied)

    # -- put on and taken off

    def install(self) -> None:
        """Put everything on."""
        before = self._hooks.make(self.forward_begins, None, self.compiled_forward_begins)
        after = self._hooks.make(self.forward_ended, None, self.compiled_forward_ended)
        self._hooks.add(self.model.register_forward_pre_hook(before, with_kwargs=True))
        self._hooks.add(self.model.register_forward_hook(after, with_kwargs=True, always_call=True))
        for watched in self.layers:
            calls = self.layer_called, self.layer_returned, self.compiled_layer_returned
            hook_layer(self._hooks, watched, self.passes, *calls)
        for name, module in self.model.named_modules():
            if module is not self.model and takes_hooks(module):
                hook = self._hooks.make(partial(self.module_returned, clean(name)), lambda: not in_backward())
                self._hooks.add(module.register_forward_hook(hook), tracing=True)
        if self.criterion is not None:
            self._hooks.add(self.criterion.register_forward_hook(self._hooks.make(self.criterion_returned)))
        watchers.add(self)

    def remove(self) -> None:
        """Take everything off, and keep no tensor; twice does no harm."""
        own = (one.clear for one in (self.optimizers, self.losses, self.passes))
        steps = (*own, self.trace.close, self._hooks.remove, self.functional.remove, self.observe_singly)
        with ExitStack() as stack:  # the last one first; one that raises does not keep the others from running
            for step in steps:
                stack.callback(step)
            watchers.discard(self)

    # -- the model

    def forward_begins(self, model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """The model is called; a forward pass that never returned, since it was interrupted, is closed first."""
        own, self.functional.model_called = self.passes.own(), True
        if self.passes.was_abandoned(model):
            own.depth = 0
            self.end()
        own.depth += 1
        if own.depth == 1:
            self.begin(torch.is_grad_enabled(), [*args, *kwargs.values()])

    def forward_ended(self, model: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        """The model returned, or raised."""
        self.losses.model_returned(output)
        (own := self.passes.own()).depth -= 1
        if own.depth == 0:
            self.end(output)

    def begin(self, training: bool, arguments: Sequence[Any]) -> None:
        """A forward pass begins, or its next time step, where the time loop is outside of the model."""
        for finished in self.passes.finished():
            self.hand_on(finished)
        own = self.passes.own()
        if not own.loop.continues(training, arguments, own.recorder, self.clock):
            self.close(own)
            new_sequence = self.clock.forward(training) or own.loop.begins_sequence(training, arguments, self.clock)
            if not training:
                self.hand_on_losses()
                self.modes.count_evaluation()
            elif self.clock.training_passes == 1:
                self.layers.await_gradients()
            in_middle = own.loop.per_step and self.clock.in_middle
            own.recorder = Recorder(training, self._tier(training), new_sequence, in_middle)
            own.loop.begin(self.clock, arguments)
        watchers.forward_begins(self)
        self.take_input(arguments)
        self.functional.compare()
        decided = self.clock.training_passes > 1 or all(one.status is not Status.CANDIDATE for one in self.layers)
        if own.depth and decided:
            own.open_logs(self.layers)

    def observe_singly(self) -> None:
        """Note no calls until the next forward pass: what a thread receives is about to change."""
        for watched in self.layers:
            watched.log = None

    def take_input(self, arguments: Sequence[Any]) -> None:
        """Keep what the model is called with."""
        held = list(tensors_within(arguments))
        self.input_tensors = max(self.input_tensors, len(held) if self.passes.depth else 0)
        self.batches.take_inputs(arguments, training=self.passes.recorder.training)
        self.optimizers.unused.input_requires_grad = any(tensor.requires_grad for tensor in held)
        tensor = self._input_of(arguments)
        if tensor is not None and countable(tensor):
            self.passes.recorder.take_input(tensor.detach())
        else:
            self.unseen["input"] = why_unseen(tensor)

    def end(self, output: Any = None) -> None:
        """A call of the model is over, and the forward pass with it, unless the time loop is outside."""
        own = self.passes.own()
        self._note(sum(log.count for _, log in own.logs))
        own.close_logs()
        self.functional.stop_comparing()
        watchers.forward_ends(self)
        self.layers.accept(own.recorder, self._values_of)
        own.loop.call_ended(own.recorder, self.layers.spiking(), output)
        if not own.loop.open:
            own.loop.open = True
            self.close(own)
        else:
            own.recorder.detach()

    def close(self, own: Pass) -> None:
        """A forward pass is over, if one was open."""
        if not own.loop.open:
            return
        own.loop.end(training=own.recorder.training)
        self.hand_on(own)
        if self.clock.forward_passes == 1 and not self._compiled:  # a hook less, and torch would compile once more
            self._hooks.stop_tracing()
            self.trace.close()
        if self.optimizers.updates == 0 and not own.recorder.training:
            with torch.no_grad():
                self.evaluate()

    # -- a model whose parts are called one by one, or whose `forward` is

    def begin_without_root(self, watched: WatchedLayer, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """A layer is called and the model was not; a pass begins with a sequence, or where gradients are switched."""
        own = self.passes.own()
        again = own.recorder.count(watched.name) > 0 and watched.layer.layout is not None  # a whole sequence, again
        again |= not own.recorder.training and was_reset(watched, own.recorder.calls(watched.name), args, kwargs)
        if self.clock.passes_in_sequence == 0 or again or own.recorder.training != torch.is_grad_enabled():
            entered, own.recorder.inputs = own.recorder.inputs[-1:], own.recorder.inputs[:-1]
            watchers.forward_ends(self)
            own.loop.open = self.clock.forward_passes > 0
            self.close(own)
            self.begin(torch.is_grad_enabled(), entered)
            self.unseen["input"] = "" if entered else "the model itself was not called, only modules of it"

    def module_returned(self, name: str, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        """Any module returned, in the first forward pass."""
        if self.passes.depth == 0 and self._entry is None:
            self._entry = module
            self._hooks.add(module.register_forward_pre_hook(self._hooks.make(self.entry_called), with_kwargs=True))
        self.trace.record(name, module, args, output)

    def entry_called(self, module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """The first module of a model that is not called itself gets the input, maybe that of the next forward pass."""
        if self.passes.depth == 0:
            recorder, tensor = self.passes.own().recorder, self._input_of([*args, *kwargs.values()])
            if tensor is not None and countable(tensor):
                recorder.inputs, self.unseen["input"] = [*recorder.inputs, tensor.detach()], ""

    # -- the model in compiled code

    def compiled_forward_begins(self, grad: bool, args: Sequence[Any], output: Any) -> None:
        """The model is called, in compiled code; what its layers keep on themselves is what they start from."""
        self.begin(grad, args)
        for watched in self.layers:
            self.passes.recorder.calls(watched.name).sample_state(watched, (), {})

    def compiled_layer_returned(self, watched: WatchedLayer, grad: bool, args: Sequence[Any], output: Any) -> None:
        """A layer returned, in compiled code."""
        self._compiled = True
        self.trace.place(watched.name)
        self.passes.recorder.calls(watched.name).observe_compiled(watched, grad, args, output)

    def compiled_forward_ended(self, grad: bool, args: Sequence[Any], output: Any) -> None:
        """The model returned, in compiled code."""
        self.end()

    # -- its spiking layers

    def layer_called(
        self, watched: WatchedLayer, module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> None:
        """A spiking layer is called, and its state is to be sampled, or the model itself is not running."""
        if self.passes.depth == 0:
            self.begin_without_root(watched, args, kwargs)
        here = self.passes.here()
        here.settle(watched)
        if here.recorder.tier > 1 and watched.hooked:
            here.recorder.calls(watched.name).sample_state(watched, args, kwargs)

    def layer_returned(
        self, watched: WatchedLayer, module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Any
    ) -> None:
        """A spiking layer returned, or a module that may turn out to be one."""
        here = self.passes.here()
        here.settle(watched)
        recorder = here.recorder
        calls = recorder.calls(watched.name)
        calls.observe(watched, args, kwargs, output)
        here.recount()
        if not recorder.training and here.depth == 0:
            calls.left = state_of(watched)
        undecided = self.clock.training_passes <= 1 or watched.status is Status.CANDIDATE
        if undecided and len(calls.held[SiteKind.SPIKES]):
            calls.claim(watched, args, output, recorder)
        self.bound(calls.count)

    def tap(self, name: str, spikes: Tensor, current: Tensor | None, potential: Tensor | None) -> None:
        """The script shows the spikes of code that is no module."""
        self._guard(self.functional.tapped)(name, Observation(spikes, current, potential))

    def miss_tap(self, name: str) -> None:
        """A tap was called, and nothing tells which of several watched models it belongs to."""
        self.unseen[name] = NO_OWNER

    def bound(self, held: int) -> None:
        """Hand on what was shown, where so much is held that the end of the forward pass is not waited for."""
        if held >= MAX_HELD_CALLS:
            self.hand_on(self.passes.here())

    # -- what is handed on

    def hand_on(self, one: Pass | None = None) -> None:
        """Hand on what a forward pass showed so far, this thread's by default."""
        one = self.passes.here() if one is None else one
        one.settle()
        recorder = one.recorder
        self.layers.decide(recorder, self._values_of, self.clock.forward_passes)
        self.functional.record(recorder)
        spiking = self.layers.spiking()
        self.max_calls = max([self.max_calls, *(recorder.count(watched.name) for watched in spiking)])
        share_layout(recorder, spiking, self.trace)
        self.layers.place(self.trace)
        site = Site(SiteKind.INPUT, "input", 0, self.layers.framework)
        for capture in captures(recorder, self.layers.spiking(), site, self.clock.update):
            self._sink(capture, recorder.tier)
        one.recorder = recorder.rest()
        one.recount()

    def hand_on_losses(self) -> None:
        """Hand on the losses since the last backward pass, each function's calls together."""
        last, tier = 1 + max([0, *self.trace.order.values()]), self.passes.recorder.tier
        for capture in self.losses.drain(self.clock.update, last, self.layers.framework):
            self._sink(capture, tier)

    def settle(self) -> None:
        """Hand on what no end was observed of: taps, or parts of a model that is not called itself.

        Another thread may be in the middle of it as long as it lives.
        """
        for finished in self.passes.finished():
            self.hand_on(finished)
        if not self.passes.is_running_here():
            self.hand_on(self.passes.own())

    def finish(self) -> None:
        """Hand on everything there is: the forward pass and its losses are over."""
        self.hand_on()
        self.hand_on_losses()

    def evaluate(self, error: Exception | None = None, *, before_update: bool = True) -> None:
        """An update is about to be made or never comes, a pass without gradients is over, or torch raised an error."""
        if error is None and before_update:
            self.modes.count()
        self._evaluate(error)

    def criterion_returned(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        """The criterion that was named returned; torch's own losses inside it are observed automatically."""
        if isinstance(output, Tensor) and not self.losses.calls:
            self.training.loss_computed(LossCall(type(module).__name__, plain_mean=False), output, output, output)

    # -- what is known beside what was handed on

    def snapshot(self, *, live: bool) -> Snapshot:
        """Return what is known now."""
        return Snapshot.of(self, live=live)

    @property
    def update(self) -> int:
        """The updates that the optimizer has made."""
        return self.clock.update

    @property
    def forward_passes(self) -> int:
        """The forward passes so far."""
        return self.clock.forward_passes

    def refresh(self) -> None:
        """Read the neurons' parameters again with the next forward pass: they may be learned."""
        self.layers.forget_specs()

    def describe(self) -> str:
        """Return what is watched, in a few words."""
        return Snapshot.describe(self)

    def is_running(self) -> bool:
        """Return whether a forward pass of the model is running in this thread."""
        return self.passes.is_running_here()
