"""A callable for torch's hook dictionaries that leaves nothing of ours in a copy or a pickle of the model."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any


def inert() -> Callable[..., None]:
    """Something that takes anything, returns None, and can be unpickled where spikecheck is not installed."""
    return contextlib.nullcontext().__exit__


class Hook:
    """A hook that stays with the model it was put on: a copy of the model gets an inert one in its place."""

    __slots__ = ("call", "wanted")

    def __init__(self, call: Callable[..., None], wanted: Callable[[], bool] | None = None) -> None:
        self.call, self.wanted = call, wanted

    def __call__(self, *args: Any) -> None:
        """Pass the call on, if it is wanted; None tells torch to leave output and arguments as they are."""
        if self.wanted is None or self.wanted():
            self.call(*args)

    def __deepcopy__(self, memo: object) -> Any:
        return inert()

    def __reduce__(self) -> Any:
        return getattr, (contextlib.nullcontext(), "__exit__")
