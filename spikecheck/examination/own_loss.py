"""A training step of the user's with another loss, and everything else as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from spikecheck.examination.subject import Batch, Subject


class OwnLoss:
    """The user's training step, whose backward pass begins at the loss of the subject.

    So a treatment of the output or the loss reaches a step that calls model and loss on its own, and the step still
    clips gradients, scales the loss, steps a scheduler, and limits the weights after the update. The forward pass of
    the step is made as well, and not used.
    """

    def __init__(self, subject: Subject) -> None:
        assert subject.step is not None
        self.subject, self.step = subject, subject.step
        self.backward_passes = 0  # of the last step

    def __call__(self, *parts: Any) -> Any:
        """Make one update, and return its loss."""
        batch = Batch.of(parts[0] if len(parts) == 1 else parts)
        losses: list[Tensor] = []
        scalers: list[Any] = []
        autocasts: list[torch.autocast] = []
        run_backward, scale = Tensor.backward, torch.amp.GradScaler.scale

        def note_scaler(scaler: Any, outputs: Any) -> Any:
            scalers.append(scaler)
            return scale(scaler, outputs)

        def backward(called: Tensor, *args: Any, **kwargs: Any) -> None:
            with autocasts[-1] if autocasts else torch.autocast("cpu", enabled=False):
                losses.append(self.subject.loss(batch))
            run_backward(scale(scalers[-1], losses[-1]) if scalers else losses[-1])  # type: ignore[no-untyped-call]

        handle = self.subject.model.register_forward_pre_hook(lambda model, args: autocasts.append(autocast_of(model)))
        try:
            with replaced(Tensor, "backward", backward), replaced(torch.amp.GradScaler, "scale", note_scaler):
                returned = self.step(*parts)
        finally:
            handle.remove()
        self.backward_passes = len(losses)
        return losses[-1] if losses else returned

    @property
    def fits(self) -> bool:
        """Whether the last step made one backward pass: of several losses, each would be replaced by the same one."""
        return self.backward_passes == 1


def autocast_of(model: nn.Module) -> torch.autocast:
    """Return the automatic mixed precision that is in force where the model is called."""
    kind = next((parameter.device.type for _, parameter in model.named_parameters()), "cpu")
    return torch.autocast(kind, torch.get_autocast_dtype(kind), enabled=torch.is_autocast_enabled(kind))


@contextmanager
def replaced(owner: Any, name: str, function: Callable[..., Any]) -> Iterator[None]:
    """Put a function in the place of a method, and put the method back in the end."""
    before = getattr(owner, name)
    setattr(owner, name, function)
    try:
        yield
    finally:
        setattr(owner, name, before)
