"""Custom autograd functions, observed where they are applied: the surrogate gradients of code without modules.

Two ways, chosen by a test when the first monitor is attached. `PatchedApply` needs `Function.apply` to be written in
Python (torch up to 2.13): that method ends in a call of the next `apply` of the class, which is looked up at each call,
so a `spike_fn = Surrogate.apply` that was bound earlier is observed too, and no class is touched. `WrappedForward` puts
a thin function around the `forward` of each class, which torch looks up at each call.
"""

from __future__ import annotations

import contextlib
import operator
import sys
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.autograd import Function

from spikecheck.probe.torch_private import (
    apply_code,
    in_backward,
    is_compiling,
    leave_alone,
    outside_compiler,
    single_level_function,
)

Observer = Callable[[type, Any, tuple[Any, ...], Any], None]  # class, output, arguments, the caller's frame
OTHERS = ("torch.", "spikecheck.probe.")  # the functions of torch and of the probe itself are no surrogates


class Listening(Protocol):
    """A way to observe applications."""

    def put(self) -> None:
        """Begin to observe."""

    def put_back(self) -> None:
        """Leave everything as it was."""


class PatchedApply:
    """An `apply` on the class that `Function` inherits from, where it has none of its own."""

    def __init__(self, observe: Observer) -> None:
        self.owner, self.observe = single_level_function(), observe
        self.earlier: Any = None  # another tool's, which is called and put back

    def put(self) -> None:
        """Begin to observe."""
        owner, observe, code = self.owner, self.observe, apply_code()
        self.earlier = earlier = vars(owner).get("apply")

        def apply(cls: Any, *args: Any, **kwargs: Any) -> Any:
            inherited: Any = super(owner, cls)
            original = inherited.apply if earlier is None else earlier.__get__(None, cls)
            output = original(*args, **kwargs)
            frame = sys._getframe(1)
            outside_compiler(observe, (cls, output, args, frame.f_back if frame.f_code is code else frame))
            return output

        leave_alone(apply)
        owner.apply = classmethod(apply)

    def put_back(self) -> None:
        """Take it off, so that the class looks as before."""
        if self.earlier is None:
            del self.owner.apply
        else:
            self.owner.apply = self.earlier

    @staticmethod
    def is_possible() -> bool:
        """Return whether torch has the class, and an `apply` in Python that looks up the next one."""
        code = apply_code()
        return single_level_function() is not None and code is not None and "super" in code.co_names


class Observing:
    """Calls an observer; a copy or a pickle of a class whose `forward` calls it holds an inert one."""

    __slots__ = ("code", "observe")

    def __init__(self, observe: Observer) -> None:
        self.observe, self.code = observe, apply_code()

    def __call__(self, cls: type, args: tuple[Any, ...], output: Any) -> None:
        """Pass an application on; torch hands `forward` a context first, unless the class has a `setup_context`."""
        if not is_compiling():
            frame = sys._getframe(2)
            without_context = args if args and isinstance(args[0], Tensor) else args[1:]
            caller = frame.f_back if frame.f_code is self.code else frame
            outside_compiler(self.observe, (cls, output, without_context, caller))

    def __deepcopy__(self, memo: object) -> Any:
        return contextlib.nullcontext().__exit__

    def __reduce__(self) -> Any:
        return operator.attrgetter("__exit__"), (contextlib.nullcontext(),)


leave_alone(Observing.__call__)


class WrappedForward:
    """A thin function around the `forward` of every class that is not torch's own."""

    def __init__(self, observe: Observer) -> None:
        self.observing = Observing(observe)
        self.originals: dict[type, Any] = {}

    def put(self) -> None:
        """Wrap every class that exists."""
        for cls in subclasses(Function):
            if "forward" in vars(cls) and is_foreign(cls):
                self.wrap(cls)

    def wrap(self, cls: Any) -> None:
        """Put ours around the `forward` of one class."""
        original, observing = vars(cls)["forward"], self.observing
        function = original.__func__ if isinstance(original, staticmethod) else original

        @wraps(function)
        def forward(*args: Any, **kwargs: Any) -> Any:
            output = function(*args, **kwargs)
            observing(cls, args, output)
            return output

        leave_alone(forward)
        self.originals[cls] = original
        cls.forward = staticmethod(forward)

    def put_back(self) -> None:
        """Put each class's own back."""
        while self.originals:
            cls, original = self.originals.popitem()
            setattr(cls, "forward", original)  # noqa: B010

    @staticmethod
    def is_possible() -> bool:
        """Return True: whether torch looks `forward` up at each call is what the test finds out."""
        return True


class SelfTest(Function):
    """A function to try a way of listening with; its `apply` is bound before, as a script binds it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Return the argument."""
        return x.clone()


def listening(observe: Observer) -> Listening | None:
    """Return the first way that observes a trial; None where this version of torch shows no application."""
    for way in (PatchedApply, WrappedForward):
        if way.is_possible() and observes(way):
            return way(observe)
    return None


def observes(way: type[PatchedApply] | type[WrappedForward]) -> bool:
    """Return whether a trial is observed once, with its argument and the frame that it was applied in."""
    applied, applications = SelfTest.apply, []

    def observe(cls: type, output: Any, args: tuple[Any, ...], frame: Any) -> None:
        if cls is SelfTest:
            applications.append((args, frame.f_code))

    x, tried = torch.zeros(1, requires_grad=True), way(observe)
    if isinstance(tried, WrappedForward):
        tried.wrap(SelfTest)
    else:
        tried.put()
    try:
        with torch.enable_grad():
            applied(x)  # type: ignore[no-untyped-call]
    finally:
        tried.put_back()
    return len(applications) == 1 and len(applications[0][0]) == 1 and applications[0][1] is sys._getframe().f_code


def subclasses(cls: type) -> Iterator[type]:
    """Yield every subclass, at any depth, once."""
    visited: set[type] = set()
    level = [cls]
    while level:
        inner: type
        for inner in level.pop().__subclasses__():
            if inner not in visited:
                visited.add(inner)
                level.append(inner)
                yield inner


def is_foreign(cls: type) -> bool:
    """Return whether a function may be a surrogate: it is neither torch's nor this package's."""
    return not (cls.__module__ or "").startswith(OTHERS)


def is_application(cls: type) -> bool:
    """Return whether an application belongs to a forward pass; a checkpoint repeats it in the backward pass."""
    return is_foreign(cls) and not in_backward()


leave_alone(is_application)
leave_alone(is_foreign)
