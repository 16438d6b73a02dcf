"""A frame of its own for each time step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from spikecheck.examination.operations import Operations
from spikecheck.examination.treatments.base import NotApplicableError, Patient, Treatment, line_of_user
from spikecheck.finding import Fix

Frame = tuple[str, int, int]  # the line that takes a frame of the input, the axis, and the number of the frame


class OwnFrames(Treatment):
    """Where a loop over time takes the same frame of the input in each step, let each step take its own."""

    name = "each time step with its own frame"
    named_by = ("SPK105",)

    def apply(self, patient: Patient) -> Fix:
        """Count the calls of the line, and take the frame of this number."""
        x = patient.batch.first
        frames = Frames(tuple(x.shape))
        frames.watch(patient.subject.model)
        patient.output()
        frames.stuck = {frame for frame, calls in frames.calls.items() if calls == x.shape[frame[1]] > 1}
        if not frames.stuck:
            raise NotApplicableError("no line takes the same frame of the input in each time step")
        return Fix(
            "\n".join(
                f"# {place}: x{shown(axis, 't')} in place of x{shown(axis, n)}"
                for place, axis, n in sorted(frames.stuck)
            )
        )


class Frames(Operations):
    """Counts which frames of the input are taken, and takes others where a line is stuck at one."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape
        self.calls: Counter[Frame] = Counter()  # of this forward pass
        self.stuck: set[Frame] = set()

    def begin(self) -> None:
        """Begin a forward pass, in which nothing was taken yet."""
        self.calls.clear()
        super().begin()

    def __torch_function__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        """Run an operation."""
        if func is Tensor.__getitem__ and args[0].shape[1:] == self.shape[1:]:
            index = args[1] if isinstance(args[1], tuple) else (args[1],)
            axis = next((axis for axis, one in enumerate(index[:2]) if isinstance(one, int)), None)
            if axis is not None and not any(isinstance(one, int) for one in index[axis + 1 :]):
                frame = (line_of_user()[0], axis, index[axis])
                number, self.calls[frame] = self.calls[frame], self.calls[frame] + 1
                if frame in self.stuck and number < args[0].shape[axis]:
                    return func(args[0], (*index[:axis], number, *index[axis + 1 :]))
        return func(*args, **(kwargs or {}))


def shown(axis: int, number: object) -> str:
    """Return the index of a frame as code."""
    return f"[{', '.join([':'] * axis + [str(number)])}]"
