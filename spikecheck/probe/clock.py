"""Where the run is: the update, the forward pass, the sequence, and how the script calls the model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Clock:
    """Counts what goes by. A sequence ends where a loss is computed or a backward pass begins.

    A script may call the model once per sequence, or once per time step. In the second case several forward passes go
    by between two losses, and the state that a layer starts one with was not carried over from another batch.
    """

    update: int = 0  # made by the optimizer so far
    forward_passes: int = 0
    backward_passes: int = 0
    training_passes: int = 0  # forward passes with gradients
    passes_in_sequence: int = 0  # forward passes so far
    longest_sequence: int = 0  # in forward passes

    def forward(self, training: bool) -> bool:
        """A forward pass begins; return whether it is the first of a sequence."""
        self.forward_passes += 1
        self.training_passes += training
        self.passes_in_sequence += 1
        return self.passes_in_sequence == 1

    def end_sequence(self) -> None:
        """A loss was computed, or a backward pass begins: what comes next is a new sequence."""
        self.longest_sequence = max(self.longest_sequence, self.passes_in_sequence)
        self.passes_in_sequence = 0

    def backward(self) -> None:
        """A backward pass begins."""
        self.backward_passes += 1
        self.end_sequence()

    def is_called_per_time_step(self, max_calls: int) -> bool:
        """Return whether the script calls the model once per time step: no layer has more than one call in a pass."""
        return self.longest_sequence > 1 and max_calls <= 1
