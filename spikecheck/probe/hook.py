"""A callable for torch's hook dictionaries that leaves nothing of ours in a copy or a pickle of the model."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from spikecheck.probe import compiled
from spikecheck.probe.torch_private import is_compiling, leave_alone, outside_compiler
from spikecheck.probe.watchers import Receiver, watchers


def inert() -> Callable[..., None]:
    """Something that takes anything, returns None, and can be unpickled where spikecheck is not installed."""
    return contextlib.nullcontext().__exit__


class Hook:
    """A hook that stays with the model it was put on: a copy of the model gets an inert one in its place.

    `number` names who is told where the hook was traced by `torch.compile`; 0 is nobody.
    """

    __slots__ = ("call", "number", "wanted")

    def __init__(
        self,
        call: Callable[..., None],
        wanted: Callable[[], bool] | None = None,
        traced: Receiver | None = None,
    ) -> None:
        self.call, self.wanted = call, wanted
        if wanted is not None:
            leave_alone(wanted)
        self.number = 0 if traced is None else compiled.register(traced)

    def __call__(self, *args: Any) -> None:
        """Pass the call on, if it is wanted; None tells torch to leave output and arguments as they are."""
        if is_compiling():
            if self.number:
                compiled.show(self.number, *args)
        elif self.wanted is None or self.wanted():
            outside_compiler(self.call, args)

    def forget(self) -> None:
        """It was taken off; code that was compiled with it goes on calling."""
        watchers.forget(self.number)

    def __deepcopy__(self, memo: object) -> Any:
        return inert()

    def __reduce__(self) -> Any:
        return getattr, (contextlib.nullcontext(), "__exit__")


leave_alone(Hook.__call__)
