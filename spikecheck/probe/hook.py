"""A callable for torch's hook dictionaries that leaves nothing of ours in a copy or a pickle of the model."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from spikecheck.probe import compiled
from spikecheck.probe.torch_private import is_compiling, is_exporting, is_traced, leave_alone, outside_compiler
from spikecheck.probe.watchers import Receiver, watchers


def inert() -> Callable[..., None]:
    """Return something that takes anything, returns None, and can be unpickled where spikecheck is not installed."""
    return contextlib.nullcontext().__exit__


def raise_again(error: Exception) -> None:
    """Raise an error of ours inside the guard, which handles it."""
    raise error


class Hook:
    """A hook that stays with the model it was put on: a copy of the model gets an inert one in its place.

    `number` names who receives what a hook shows that was traced by `torch.compile`; 0 is nobody.
    """

    IS_OF_SPIKECHECK = True  # `scripting` leaves it out of what torch.jit compiles
    __slots__ = ("call", "fail", "number", "wanted")

    def __init__(
        self,
        call: Callable[..., None],
        wanted: Callable[[], bool] | None = None,
        traced: Receiver | None = None,
        fail: Callable[[Exception], None] = raise_again,
    ) -> None:
        self.call, self.wanted, self.fail = call, wanted, fail
        self.number = 0 if traced is None else compiled.register(traced)

    def __call__(self, *args: Any) -> None:
        """Pass the call on, if it is wanted; None tells torch to leave output and arguments as they are."""
        if is_compiling():
            self.trace(*args)
        else:
            outside_compiler(self.pass_on, args)

    def trace(self, *args: Any) -> None:
        """Put a call into the graph that torch.compile makes."""
        if self.number and not is_exporting():
            compiled.show(self.number, *args)

    def pass_on(self, *args: Any) -> None:
        """Call what the hook is for, if it is wanted."""
        try:
            wanted = (self.wanted is None or self.wanted()) and not is_traced()
        except Exception as error:  # noqa: BLE001 - it goes to the guard
            self.fail(error)
            return
        if wanted:
            self.call(*args)

    def forget(self) -> None:
        """Receive nothing more: it was taken off, and code that was compiled with it continues to call it."""
        watchers.forget(self.number)

    def __deepcopy__(self, memo: object) -> Any:
        return inert()

    def __reduce__(self) -> Any:
        return getattr, (contextlib.nullcontext(), "__exit__")


leave_alone(Hook.__call__)


class HookSet:
    """The hooks of one session, to be taken off together; those that trace the first forward pass come off first."""

    def __init__(self, guard: Callable[[Callable[..., None]], Callable[..., None]]) -> None:
        self.guard = guard
        self.hooks: list[Hook] = []
        self.handles: list[Any] = []
        self.tracing: list[Any] = []

    def make(
        self,
        call: Callable[..., None],
        wanted: Callable[[], bool] | None = None,
        traced: Callable[..., None] | None = None,
        kind: type[Hook] = Hook,
    ) -> Hook:
        """Return an entry point as torch's hook tables take it; `traced` is called where torch.compile traced it."""
        receiver = None if traced is None else self.guard(compiled.on_copies(traced))
        hook = kind(self.guard(call), wanted, receiver, self.guard(raise_again))
        self.hooks.append(hook)
        return hook

    def add(self, handle: Any, *, tracing: bool = False) -> None:
        """Keep what takes a hook off."""
        (self.tracing if tracing else self.handles).append(handle)

    def stop_tracing(self) -> None:
        """Take off those that trace the first forward pass."""
        while self.tracing:
            self.tracing.pop().remove()

    def remove(self) -> None:
        """Take everything off."""
        self.stop_tracing()
        while self.handles:
            self.handles.pop().remove()
        while self.hooks:
            self.hooks.pop().forget()
