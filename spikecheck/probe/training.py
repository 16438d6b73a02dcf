"""What a session receives of the training: losses, backward passes and updates, as far as its model is concerned."""

from __future__ import annotations

from functools import partial
from typing import Protocol

from torch import Tensor
from torch.optim.optimizer import Optimizer

from spikecheck.probe.batches import KeptBatches
from spikecheck.probe.clock import Clock
from spikecheck.probe.constant_weights import ConstantWeights
from spikecheck.probe.find import named_parameters
from spikecheck.probe.forks import ForkedUpdates
from spikecheck.probe.layers import Layers
from spikecheck.probe.optimizer import OptimizerWatch
from spikecheck.probe.origins import Origins
from spikecheck.probe.passes import Passes
from spikecheck.probe.pending_losses import PendingLosses
from spikecheck.probe.softmax_axis import with_axes
from spikecheck.probe.unregistered import UnregisteredParameters
from spikecheck.probe.watchers import Watch, watchers
from spikecheck.site import LossCall


class Watching(Watch, Protocol):
    """The session, as far as the training needs it."""

    clock: Clock
    losses: PendingLosses
    batches: KeptBatches
    optimizers: OptimizerWatch
    layers: Layers
    passes: Passes

    def hand_on(self) -> None:
        """Hand on what the forward pass showed."""

    def hand_on_losses(self) -> None:
        """Hand on the losses."""

    def evaluate(self, error: Exception | None = None, *, before_update: bool = True) -> None:
        """Evaluate what was observed, if it is time."""


class Training:
    """A listener to the losses, backward passes and updates of the process, for one session."""

    def __init__(self, session: Watching) -> None:
        self.session = session
        self.new_update = True  # whether the optimizer that steps is the first of an update
        self.origins = Origins()
        self.forks = ForkedUpdates()
        self.unregistered = UnregisteredParameters()
        self.constants = ConstantWeights()

    def loss_computed(
        self, call: LossCall, logits: Tensor, targets: Tensor, value: Tensor, class_weights: Tensor | None = None
    ) -> None:
        """A loss was computed, by torch or by the criterion that was named."""
        session = self.session
        if session.clock.forward_passes and not logits.is_complex() and watchers.owns(session, (logits,)):
            if session.passes.recorder.tier > 1:
                call = with_axes(call, logits)
            session.losses.add(call, logits, targets, value, class_weights)
            session.batches.take_targets(targets)
            session.clock.end_sequence()

    def loss_failed(self, call: LossCall, logits: Tensor, targets: Tensor, error: Exception) -> None:
        """torch refused to compute a loss."""
        session = self.session
        if watchers.owns(session, (logits,)):
            session.losses.add(with_axes(call, logits), logits, targets, None)
            session.hand_on_losses()
            session.evaluate(error)

    def backward_begins(self, roots: tuple[Tensor, ...]) -> None:
        """`backward()` is called; a loss that torch did not compute is observed here at the latest."""
        session = self.session
        own = watchers.owns(session, roots)
        session.span.backward_begins(own)
        if not own:
            return
        session.optimizers.backward_begins()
        self.origins.backward_begins(roots, session.losses.returned)
        self.unregistered.backward_begins(roots, session.losses.returned, session.span)
        self.constants.backward_begins(session.model, roots, session.losses.returned)
        session.span.always_counted = not self.unregistered.is_complete
        if session.passes.recorder.tier > 1:
            session.losses.minimized(roots)
        if not session.losses.calls and session.clock.passes_in_sequence:
            session.losses.add_roots(roots)
        (here := session.passes.here()).settle()
        if not here.recorder.is_empty:
            session.hand_on()
        session.hand_on_losses()
        session.clock.backward()

    def backward_ended(self, error: Exception | None) -> None:
        """The backward pass is over."""
        session = self.session
        if not session.span.in_backward():
            return
        if error is not None:
            session.evaluate(error)
            return
        session.optimizers.backward_ended(session.clock.update)
        for watched in session.layers:
            watched.gradients.backward_ended()
        if session.optimizers.updates == 0 and session.optimizers.unused.is_due():
            session.evaluate(before_update=False)

    def own_error(self, error: Exception) -> None:
        """Raise an error of ours behind the guard, which handles it."""
        raise error

    def optimizer_steps(self, optimizer: Optimizer) -> None:
        """An optimizer is about to step."""
        session = self.session
        if session.optimizers.adopt(optimizer, partial(named_parameters, session.model)):
            session.span.parameters = session.optimizers.members
        if session.optimizers.concerns(optimizer):
            session.hand_on_losses()
            self.new_update = session.clock.is_new_update(id(optimizer))
            update = session.clock.update - (not self.new_update)
            session.optimizers.before_step(optimizer, update, new=self.new_update)
            if self.new_update:
                session.evaluate()
        else:
            session.optimizers.foreign_step(optimizer)

    def optimizer_stepped(self, optimizer: Optimizer) -> None:
        """An optimizer has stepped."""
        session = self.session
        if session.optimizers.concerns(optimizer):
            session.optimizers.after_step(optimizer, session.clock.update - (not self.new_update))
            session.clock.step_ended(id(optimizer), new=self.new_update)
            self.forks.count()
