"""Where the run is: the update, the forward pass, the sequence, and how the script calls the model.

An update is everything that optimizers do between two backward passes: several optimizers that step after the same
backward pass make one update, and an optimizer that steps once more makes another."""

from __future__ import annotations

from dataclasses import dataclass, field

FIRST_PASSES = 4  # as many time steps as a sequence has before its state is sampled


@dataclass
class Clock:
    """Counts what goes by. A sequence ends where a loss is computed or a backward pass begins.

    A script may call the model once per sequence, or once per time step. In the second case several forward passes go
    by between two losses, and the state that a layer starts one with was not carried over from another batch.
    """

    update: int = 0  # made so far
    stepped: set[int] = field(default_factory=set)  # the optimizers, by their ids, that took part in the latest update
    backward_passes_before: int = 0  # the latest update
    forward_passes: int = 0
    backward_passes: int = 0
    training_passes: int = 0  # forward passes with gradients
    passes_in_sequence: int = 0  # forward passes so far
    longest_sequence: int = 0  # in forward passes; without gradients, only as long as there are none with gradients
    training_in_sequence: int = 0  # forward passes with gradients so far
    trains_on_pieces: bool = False  # some sequence had several of them, as an episode of a policy does

    def forward(self, training: bool) -> bool:
        """A forward pass begins; return whether it is the first of a sequence."""
        self.forward_passes += 1
        self.training_passes += training
        self.training_in_sequence += training
        self.passes_in_sequence += 1
        return self.passes_in_sequence == 1

    @property
    def in_middle(self) -> bool:
        """Whether some forward passes of the sequence went by: the first time steps of a sequence may be empty."""
        return self.passes_in_sequence > FIRST_PASSES

    def end_sequence(self) -> None:
        """A loss was computed, or a backward pass begins: what comes next is a new sequence."""
        if self.training_in_sequence == self.training_passes > 0:  # the first with gradients
            self.longest_sequence = 0
        if self.training_in_sequence or not self.training_passes:  # an agent acts many times before it learns
            self.longest_sequence = max(self.longest_sequence, self.training_in_sequence or self.passes_in_sequence)
        self.trains_on_pieces |= self.training_in_sequence > 1
        self.passes_in_sequence = self.training_in_sequence = 0

    def backward(self) -> None:
        """A backward pass begins."""
        self.backward_passes += 1
        self.end_sequence()

    def is_new_update(self, optimizer: int) -> bool:
        """Return whether a step of this optimizer, by its id, is the first of an update."""
        return self.backward_passes > self.backward_passes_before or optimizer in self.stepped or not self.stepped

    def step_ended(self, optimizer: int, *, new: bool) -> None:
        """An optimizer has stepped; a backward pass within its step, as in LBFGS, is part of the update."""
        if new:
            self.update += 1
            self.stepped.clear()
        self.stepped.add(optimizer)
        self.backward_passes_before = self.backward_passes

    def is_called_per_time_step(self, max_calls: int) -> bool:
        """Return whether the script calls the model once per time step: no layer has more than one call in a pass."""
        return self.longest_sequence > 1 and max_calls <= 1
