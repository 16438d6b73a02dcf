"""Keep the last batches of a run: what the model was called with in training, and the targets of its loss."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor


class KeptBatches:
    """The last batches, as many as were asked for; copies, since a script may use the memory again."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.batches: deque[tuple[Any, ...]] = deque(maxlen=max(1, most))
        self._inputs: tuple[Any, ...] | None = None

    def take_inputs(self, arguments: Sequence[Any], *, training: bool) -> None:
        """Keep what the model is called with, until its loss is computed."""
        if self.most:
            self._inputs = tuple(map(copied, arguments)) if training else None

    def take_targets(self, targets: Tensor) -> None:
        """Keep the inputs with the targets of the first loss after them."""
        if self._inputs is not None:
            self.batches.append((*self._inputs, targets.detach().clone()))
            self._inputs = None


def copied(value: Any) -> Any:
    """Return a copy of the tensors in an argument, without their graph."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, Mapping):
        return {key: copied(part) for key, part in value.items()}
    return type(value)(map(copied, value)) if type(value) in (list, tuple) else value
