"""See, and change, the operations of a model's own code while a forward pass runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from torch import nn
from torch.overrides import TorchFunctionMode


class Operations(TorchFunctionMode):
    """Is entered with each forward pass of a model, and left with it; `depth` counts the spiking layers that run."""

    def __init__(self) -> None:
        super().__init__()
        self.depth = 0

    def watch(self, model: nn.Module, layers: Iterable[nn.Module] = ()) -> None:
        """Watch every forward pass of a model from now on."""
        for layer in layers:
            if layer is not model:
                surround(layer, self.pause, self.resume)
        surround(model, self.begin, self.end)

    def begin(self) -> None:
        """Begin a forward pass."""
        self.__enter__()  # type: ignore[no-untyped-call]

    def end(self) -> None:
        """End a forward pass."""
        self.__exit__(None, None, None)  # type: ignore[no-untyped-call]

    def pause(self) -> None:
        """Note that a spiking layer begins."""
        self.depth += 1

    def resume(self) -> None:
        """Note that a spiking layer has ended."""
        self.depth -= 1


def surround(module: nn.Module, before: Callable[[], object], after: Callable[[], object]) -> None:
    """Call one function before each forward pass of a module, and another one after it, also where it raises."""

    def call_before(*args: Any) -> None:  # a hook that returns anything would change the input or the output
        before()

    def call_after(*args: Any) -> None:
        after()

    module.register_forward_pre_hook(call_before)
    module.register_forward_hook(call_after, always_call=True)
