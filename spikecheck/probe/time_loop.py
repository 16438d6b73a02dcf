"""Whether a call of the model is the next time step of a forward pass, where the time loop is outside of the model.

Such a script calls the model once per time step: every spiking layer is called once, with a single step. Its calls are
one forward pass, from the reset, or from the loss or backward pass before, to the next. A call belongs to the same pass
as the one before where a layer starts from the state that it ended with, or gets back what the model returned; it
begins a new one where the state was reset. Where no state is visible, a pass ends with a loss or a backward pass, and
without gradients after as many calls as in the training.

A script may never reset the state in evaluation. Then the input tells where the next sequence begins: if each pass of
the training got its time steps from one tensor, another tensor after as many calls is the next batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from spikecheck.probe.clock import Clock
from spikecheck.probe.frameworks.base import nested
from spikecheck.probe.layer import WatchedLayer
from spikecheck.probe.recorder import LayerCalls, Recorder, plain
from spikecheck.site import SiteKind

MAX_WITNESSES = 4  # layers whose state is compared: they are reset together


@dataclass
class TimeLoop:
    """The calls of a model that are the time steps of one forward pass, in one thread."""

    calls: int = 0  # of the model in the pass
    open: bool = False  # the next call may be another time step of the same pass
    per_step: bool = False  # every spiking layer is called once per call of the model, with one time step
    by_state: bool = False  # functions spike: only what the model returned and gets back tells what belongs together
    sure: bool = True  # the layers' calls cannot be whole sequences whose time axis is unknown
    backward_passes: int = 0  # when the pass began
    longest: int = 0  # calls of the model in a pass of the training; 0 before one is over
    states: list[tuple[WatchedLayer, tuple[Tensor, ...]]] = field(default_factory=list)  # after the latest call
    outputs: tuple[Tensor, ...] = ()  # of the latest call
    axes: tuple[int, ...] = ()  # numbers of axes of what the model is called with in training
    batch: tuple[Tensor, ...] = ()  # what the model was called with first in the pass
    one_batch: bool = True  # the other calls of the pass got the same tensors, or other parts of them
    trained_on_one_batch: bool = False  # so did the calls of the latest pass of the training
    new_batch: bool = False  # the call that begins now gets another batch, though the state may go on

    def begin(self, clock: Clock, arguments: Sequence[Any]) -> None:
        """A forward pass begins."""
        self.calls, self.open, self.backward_passes = 0, False, clock.backward_passes
        self.batch, self.one_batch = tuple(tensor.detach() for tensor in nested(arguments)), True

    def call_ended(self, recorder: Recorder, layers: Iterable[WatchedLayer], output: Any) -> None:
        """A call of the model is over: keep what tells whether the next one goes on from it."""
        self.calls += 1
        spiking = list(layers)
        shown = [(one, recorder.layers[one.name]) for one in spiking if recorder.count(one.name)]
        self.by_state = bool(recorder.applications) and not shown
        self.per_step = bool(shown or self.by_state) and all(is_step(one, calls, self.calls) for one, calls in shown)
        self.sure = all(one.layer.framework.shows_time or dimensions(calls) < 3 for one, calls in shown)
        self.states, self.outputs = [], ()
        if self.per_step:
            returned = nested([output])
            self.outputs = tuple(tensor.detach() for tensor in returned) if len(returned) > 1 else ()
            states = ((one, state_of(one)) for one in spiking)
            self.states = [(one, state) for one, state in states if state][:MAX_WITNESSES]
        visible = bool(self.states or self.outputs)
        self.open = self.per_step and (visible or (not self.by_state and (recorder.training or self.longest > 1)))

    def continues(self, training: bool, arguments: Sequence[Any], recorder: Recorder, clock: Clock) -> bool:
        """Return whether a call that begins now is the next time step of the pass."""
        is_next_step = self.is_next_step(training, arguments, recorder, clock)
        self.new_batch = is_next_step and not training and self.is_next_batch(arguments)
        if not is_next_step or self.new_batch:
            return False
        self.one_batch = self.one_batch and share_memory(self.batch, nested(arguments))
        return True

    def is_next_step(self, training: bool, arguments: Sequence[Any], recorder: Recorder, clock: Clock) -> bool:
        """Return whether a call that begins now goes on with the pass, as far as the states and outputs tell."""
        if not self.open or recorder.training != training or clock.backward_passes != self.backward_passes:
            return False
        goes_on = self.goes_on(arguments)
        if clock.passes_in_sequence == 0:  # a loss was computed: of every time step, if the state goes on
            return training and goes_on is True
        if not training and self.longest == 1:
            return False
        if goes_on is not None or self.by_state:
            return goes_on is True
        return self.sure and (training or self.calls < self.longest)

    def is_next_batch(self, arguments: Sequence[Any]) -> bool:
        """Return whether a call gets another batch than the one before, after as many calls as a batch of the training.

        The pass before must have had that many calls with one batch, or the input may be another in every time step.
        """
        whole = self.trained_on_one_batch and self.one_batch and self.calls == self.longest > 1
        return whole and not share_memory(self.batch, nested(arguments))

    def begins_sequence(self, training: bool, arguments: Sequence[Any], clock: Clock) -> bool:
        """Return whether a call without gradients begins a new sequence, whether or not the state was reset.

        It gets another batch, or each call of the training was a sequence of its own. A model that was trained with
        whole sequences may be called with single time steps later.
        """
        if self.new_batch:
            return True
        axes = tuple(tensor.dim() for tensor in nested(arguments))
        if training:
            self.axes = axes
        return not training and self.longest == 1 and axes == self.axes and not clock.trains_on_pieces

    def goes_on(self, arguments: Sequence[Any]) -> bool | None:
        """Return whether a call starts from what the one before ended with; None where no state is visible."""
        if share_memory(self.outputs, nested(arguments)):
            return True
        for one, state in self.states:
            if share_memory(state, state_of(one)):
                return True
        return False if self.states else None

    def end(self, *, training: bool) -> None:
        """The forward pass is over."""
        if training and self.calls:
            self.longest, self.trained_on_one_batch = self.calls, self.one_batch
        self.open, self.states, self.outputs, self.batch = False, [], (), ()


def is_step(watched: WatchedLayer, calls: LayerCalls, model_calls: int) -> bool:
    """Return whether a layer gets one time step per call of the model."""
    held = calls.held[SiteKind.SPIKES]
    timed = watched.layer.time is not None or any(layout.time is not None for layout in held.layouts[:1])
    return calls.count <= model_calls and not timed


def dimensions(calls: LayerCalls) -> int:
    """Return the number of axes of a layer's spikes."""
    held = calls.held[SiteKind.SPIKES]
    return held.tensors[0].dim() if len(held) else 0


def state_of(watched: WatchedLayer) -> tuple[Tensor, ...]:
    """Return the state that a layer keeps on itself."""
    return watched.layer.framework.previous_state(watched.layer.module, (), {})


def share_memory(some: Iterable[Tensor], others: Iterable[Tensor]) -> bool:
    """Return whether two groups of tensors, as they are or cut from the graph, have memory in common."""
    return not storages(some).isdisjoint(storages(others))


def storages(tensors: Iterable[Tensor]) -> set[int]:
    """Return the addresses of the tensors' memory."""
    return {t.untyped_storage().data_ptr() for t in plain(tensors) if t.numel() and not t.is_meta}


def was_reset(watched: WatchedLayer, calls: LayerCalls, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Return whether a layer that shows its state starts from another one than it ended with."""
    left = [*calls.held[SiteKind.POTENTIAL].tensors[-1:], *calls.left]
    if not left or not watched.status.spikes:
        return False
    return not share_memory(left, watched.layer.framework.previous_state(watched.layer.module, args, kwargs))
