"""Import what `package.module:name` names, and call it; an exception in the user's code is reported in one line."""

from __future__ import annotations

import difflib
import inspect
import os
import sys
import traceback
from collections.abc import Mapping
from contextlib import redirect_stdout
from importlib import import_module
from types import TracebackType
from typing import Any

from spikecheck.errors import SpikecheckError


class UserCode:
    """Run the user's code: an exception becomes a SpikecheckError with its place, and its prints go to standard error.

    Standard output is for the report, which may be JSON.
    """

    def __init__(self, action: str) -> None:
        self.action = action
        self.redirected = redirect_stdout(sys.stderr)

    def __enter__(self) -> None:
        self.redirected.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.redirected.__exit__(kind, error, trace)
        if isinstance(error, SpikecheckError) or not isinstance(error, Exception | SystemExit):
            return
        line = last_own_line(traceback.extract_tb(trace))
        text = " ".join(str(error).split()) or "no message"
        raise SpikecheckError(
            f"{self.action} raised {type(error).__name__}: {text} ({line.filename}, line {line.lineno})"
        ) from error


def last_own_line(frames: traceback.StackSummary) -> traceback.FrameSummary:
    """Return the last line in the user's own code, rather than in a library."""
    installed = (os.sep + "site-packages" + os.sep, os.path.dirname(os.path.dirname(__file__)) + os.sep)
    own = [frame for frame in frames if not any(folder in frame.filename for folder in installed)]
    return (own or list(frames))[-1]


def import_object(spec: str, option: str) -> Any:
    """Import the object `package.module:name`; the working directory comes first, as with `python -m`.

    Raises:
        SpikecheckError: there is no such module or name, or importing it raises an exception.
    """
    module, colon, path = spec.partition(":")
    if not colon or not module or not path:
        raise SpikecheckError(f"{option} expects package.module:name, got {spec!r}")
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    with UserCode(f"{option} {spec}: importing {module}"):
        try:
            target: Any = import_module(module)
        except ModuleNotFoundError as error:
            if error.name is None or not (module + ".").startswith(error.name + "."):
                raise
            raise SpikecheckError(
                f"{option} {spec}: there is no module {error.name!r}, neither in {here} nor installed"
            ) from error
    for part in path.split("."):
        if not hasattr(target, part):
            names = [name for name in vars(target) if not name.startswith("_")]
            near = difflib.get_close_matches(part, names, n=1)
            suggestion = f"; did you mean {near[0]!r}?" if near else ""
            raise SpikecheckError(f"{option} {spec}: {module} has no {part!r}{suggestion}")
        target = getattr(target, part)
    return target


def call_factory(factory: Any, arguments: Mapping[str, Any], name: str) -> Any:
    """Return what a factory returns; SpikecheckError if the arguments do not fit it or it raises an exception."""
    if not callable(factory):
        raise SpikecheckError(f"{name} is a {type(factory).__name__}, which cannot be called")
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):  # C code has no signature
        signature = None
    if signature is not None:
        try:
            signature.bind(**arguments)
        except TypeError as error:
            raise SpikecheckError(f"the arguments {dict(arguments)} do not fit {name}{signature}: {error}") from error
    with UserCode(f"calling {name}"):
        return factory(**arguments)
