"""One application of a custom autograd function, and where in the script it happened."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from types import CodeType
from typing import Any

import torch
from torch import Tensor, nn

from spikecheck.probe.torch_private import (
    has_values,
    is_dense,
    module_file,
    module_of_call,
    packs_saved_tensors,
    version,
)

MAX_FRAMES = 64  # call sites that are compared, the innermost first: a deeper stack is a recursion
Key = tuple[CodeType, int, tuple[int, ...]]  # where, and the shape of one sample


@dataclass(frozen=True, slots=True, eq=False)
class CallSite:
    """Where a function was applied: the chain of calls, innermost first, and the modules that were running.

    `owner` is the module whose method it was, if that was called otherwise than as a module.
    """

    line: int
    path: tuple[Any, ...] = ()
    modules: tuple[nn.Module, ...] = ()
    owner: nn.Module | None = None

    @classmethod
    def of(cls, frame: Any, model: nn.Module) -> CallSite:
        """Walk the stack from the caller's frame to the call of the model."""
        line, files = frame.f_lineno, module_file()
        path: list[Any] = []
        modules: list[nn.Module] = []
        owner: nn.Module | None = None
        while frame is not None and len(path) < MAX_FRAMES:
            module = module_of_call(frame)
            if module is model:
                break
            if module is not None:
                modules.append(module)
                path.append(id(module))
            elif frame.f_code.co_filename != files:
                path.append((frame.f_code, frame.f_lasti))
                owner = method_of(frame) if owner is None and not modules else owner
            frame = frame.f_back
        return cls(line, tuple(path), tuple(modules), None if owner is model else owner)


def method_of(frame: Any) -> nn.Module | None:
    """Return the module whose method a frame runs; None for any other function."""
    names = frame.f_code.co_varnames[: frame.f_code.co_argcount]
    first = frame.f_locals.get(names[0]) if names[:1] == ("self",) else None
    return first if isinstance(first, nn.Module) else None


@dataclass(slots=True, eq=False)
class Application:
    """What one application showed: the first tensor returned, and the first tensor among the arguments.

    Both carry their graph while it is needed to find out which applications belong to one layer, and are detached
    otherwise. `site` is None where the place is known by its code alone.
    """

    function: type
    output: Tensor
    argument: Tensor | None
    code: CodeType
    instruction: int
    output_version: int | None
    argument_version: int | None
    site: CallSite | None
    place: int = 0  # in the order of the forward pass, among the modules
    values: Tensor | None = None  # the spikes, where the output is rounded
    called: str = ""  # what the call site is named after, where it is no call
    call: tuple[str, int] = ("", 0)  # of the innermost module that may be a spiking layer: its name, and calls before
    is_packed: bool = False  # what the graph saved cannot be read without computing it again
    offset: float | None = None  # by which the potential is more than the argument, where that was found
    passes_on: bool = False  # it returns an argument as it was, such as one that replaces a gradient

    @classmethod
    def of(cls, function: type, output: Any, args: Sequence[Any], frame: Any, site: CallSite | None) -> Application:
        """Return an application; with its graph where its site is given."""
        argument = next((value for value in args if isinstance(value, Tensor)), None)
        shown, received = output, argument
        if site is None:
            shown, received = output.detach(), None if argument is None else argument.detach()
        versions = version(output), None if argument is None else version(argument)
        application = cls(function, shown, received, frame.f_code, frame.f_lasti, *versions, site)
        if site is not None:
            application.is_packed, application.passes_on = packs_saved_tensors(), returns_argument(output, args)
        return application

    @property
    def key(self) -> Key:
        """What tells applications apart without a walk through the stack; the batch size may differ."""
        return self.code, self.instruction, tuple(self.output.shape[1:])

    @property
    def path(self) -> tuple[Any, ...]:
        """The chain of calls."""
        return (self.code, self.instruction) if self.site is None else self.site.path

    @property
    def node(self) -> Any:
        """Its node in the graph; None where it has none."""
        return self.output.grad_fn

    @property
    def source(self) -> Any:
        """The node that computed the argument."""
        return None if self.argument is None else self.argument.grad_fn

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the argument."""
        return tuple(self.output.shape if self.argument is None else self.argument.shape)

    def spikes(self) -> Tensor | None:
        """Return the output; None where it was changed in place since."""
        unchanged = version(self.output) == self.output_version
        return (self.output if self.values is None else self.values) if unchanged else None

    def input(self) -> Tensor | None:
        """Return the argument's values; None where they were changed in place since."""
        unchanged = self.argument is not None and version(self.argument) == self.argument_version
        return self.argument.detach() if self.argument is not None and unchanged else None


def returns_argument(output: Tensor, args: Sequence[Any]) -> bool:
    """Return whether a function returns one of its arguments as it was.

    Zeros and ones that take the place of another argument, with its gradient, are new: they are the spikes of a
    straight-through estimator.
    """
    if not is_in_memory(output):
        return False
    kind = output.shape, output.dtype, output.device
    alike = [a for a in args if isinstance(a, Tensor) and is_in_memory(a) and (a.shape, a.dtype, a.device) == kind]
    others = [arg for arg in alike if not is_same(arg, output)]
    return len(others) < len(alike) and not (is_binary(output) and not all(map(is_binary, others)))


def is_same(argument: Tensor, output: Tensor) -> bool:
    """Return whether an output has the memory of an argument, or its values, unless these are all 0."""
    if output is argument:  # changed in place
        return False
    return output.data_ptr() == argument.data_ptr() or (bool(output.any()) and torch.equal(argument, output))


def is_in_memory(tensor: Tensor) -> bool:
    """Return whether a tensor has values, each with a place in memory."""
    return has_values(tensor) and is_dense(tensor) and not tensor.is_meta


def is_binary(tensor: Tensor) -> bool:
    """Return whether all values are 0 or 1."""
    return bool(((tensor == 0) | (tensor == 1)).all())


def without_common_frames(applications: Sequence[Application]) -> list[tuple[Any, ...]]:
    """Return each path without the outer calls that all share: training and evaluation call from different lines."""
    paths = [application.path for application in applications]
    shared = 0
    while all(len(path) > shared + 1 for path in paths) and len({path[-1 - shared] for path in paths}) == 1:
        shared += 1
    return [path[: len(path) - shared] for path in paths]


def described(application: Application) -> str:
    """Return a call site as its author would name it: file, line, and what is called there."""
    file, line = application.code.co_filename, 0 if application.site is None else application.site.line
    name = PurePath(file).name if not file.startswith("<") else file.strip("<>")
    return f"{name}:{line} {application.called or called(application)}"


def called(application: Application) -> str:
    """Return what is called at a call site, as it is written there; else the name of the function's class."""
    name = application.function.__name__
    positions = getattr(application.code, "co_positions", None)  # from Python 3.11 on
    if positions is None:
        return name
    start, end, first, last = list(positions())[application.instruction // 2]
    if start is None or start != end or first is None or last is None:
        return name
    text = linecache.getline(application.code.co_filename, start).encode()[first:last].decode(errors="ignore")
    try:
        call = ast.parse(text.strip(), mode="eval").body
    except SyntaxError:
        return name
    written = ast.unparse(call.func) if isinstance(call, ast.Call) else ""
    written = written.removeprefix("self.").removesuffix(".apply")
    return written if written.replace(".", "").replace("_", "").isalnum() else name
