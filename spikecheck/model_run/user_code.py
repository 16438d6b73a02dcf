"""Finds what `package.module:name` names, and calls it; what goes wrong in the user's code is said in one line."""

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
    """While the user's code runs: what it raises becomes a SpikecheckError with the place; its prints go to stderr.

    Standard output is for the report, which may be JSON.
    """

    def __init__(self, doing: str) -> None:
        self.doing = doing
        self.redirected = redirect_stdout(sys.stderr)

    def __enter__(self) -> None:
        self.redirected.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.redirected.__exit__(kind, error, trace)
        if isinstance(error, SpikecheckError) or not isinstance(error, Exception | SystemExit):
            return
        last = place(traceback.extract_tb(trace))
        text = " ".join(str(error).split()) or "without a word"
        raise SpikecheckError(
            f"{self.doing} raised {type(error).__name__}: {text} ({last.filename}, line {last.lineno})"
        ) from error


def place(frames: traceback.StackSummary) -> traceback.FrameSummary:
    """The last line that is the user's own, rather than a library's."""
    installed = (os.sep + "site-packages" + os.sep, os.path.dirname(os.path.dirname(__file__)) + os.sep)
    own = [frame for frame in frames if not any(folder in frame.filename for folder in installed)]
    return (own or list(frames))[-1]


def named(spec: str, option: str) -> Any:
    """The object at `package.module:name`, looked for in the working folder first, as Python's own -m does.

    Raises:
        SpikecheckError: there is no such module or name, or importing it raises.
    """
    module, colon, path = spec.partition(":")
    if not colon or not module or not path:
        raise SpikecheckError(f"{option} takes package.module:name, got {spec!r}")
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    with UserCode(f"{option} {spec}: importing {module}"):
        try:
            found: Any = import_module(module)
        except ModuleNotFoundError as error:
            if error.name is None or not (module + ".").startswith(error.name + "."):
                raise
            raise SpikecheckError(
                f"{option} {spec}: there is no module {error.name!r}, neither in {here} nor among what is installed"
            ) from error
    for part in path.split("."):
        if not hasattr(found, part):
            names = [name for name in vars(found) if not name.startswith("_")]
            near = difflib.get_close_matches(part, names, n=1)
            meant = f"; did you mean {near[0]!r}?" if near else ""
            raise SpikecheckError(f"{option} {spec}: {module} has no {part!r}{meant}")
        found = getattr(found, part)
    return found


def called(made: Any, arguments: Mapping[str, Any], name: str) -> Any:
    """What a factory returns. SpikecheckError where the arguments do not fit it, or where it raises."""
    if not callable(made):
        raise SpikecheckError(f"{name} is a {type(made).__name__}, and cannot be called")
    try:
        signature = inspect.signature(made)
    except (TypeError, ValueError):  # of C code, which does not say
        signature = None
    if signature is not None:
        try:
            signature.bind(**arguments)
        except TypeError as error:
            raise SpikecheckError(f"the arguments {dict(arguments)} do not fit {name}{signature}: {error}") from error
    with UserCode(f"{name} was called and"):
        return made(**arguments)
