"""The only file that knows where in the run we are: update, forward, sequence, and how the script calls the model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Clock:
    """Counts what goes by. A sequence ends where a loss is computed or a backward pass begins.

    A script may call the model once a sequence, or once a time step. In the second case several forwards go by between
    two losses, and the state that a layer starts a forward with is no left-over.
    """

    update: int = 0  # steps the optimizer has taken
    forward_passes: int = 0
    backward_passes: int = 0
    training_forwards: int = 0
    since_boundary: int = 0  # forwards in this sequence
    most_since_boundary: int = 0

    def forward(self, training: bool) -> bool:
        """A forward begins; is it the first of a sequence?"""
        self.forward_passes += 1
        self.training_forwards += training
        self.since_boundary += 1
        return self.since_boundary == 1

    def boundary(self) -> None:
        """A loss was computed, or a backward pass begins: what comes next is a new sequence."""
        if self.since_boundary:
            self.most_since_boundary = max(self.most_since_boundary, self.since_boundary)
        self.since_boundary = 0

    def backward(self) -> None:
        """A backward pass begins."""
        self.backward_passes += 1
        self.boundary()

    def called_per_time_step(self, calls_in_a_forward: int) -> bool:
        """Does the script call the model once a time step? Only if no layer sees more than one step in a forward."""
        return self.most_since_boundary > 1 and calls_in_a_forward <= 1
