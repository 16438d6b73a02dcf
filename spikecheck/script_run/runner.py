"""Run a script or a module as Python itself does, and tell how it ended."""

from __future__ import annotations

import builtins
import os
import pkgutil
import runpy
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, TracebackType

from spikecheck.errors import SpikecheckError

EXIT_FAILED, EXIT_INTERRUPTED = 1, 130


def run_script(target: str, args: Sequence[str], *, as_module: bool) -> int:
    """Run a script, or with `as_module` a module or a package, with these arguments; return its exit code.

    As with Python, an exception is printed with its traceback, and the code is 1; Ctrl-C gives 130.

    Raises:
        SpikecheckError: there is no such script or module.
    """
    path = os.getcwd() if as_module else os.path.dirname(os.path.abspath(target))
    argv, search = sys.argv, sys.path[:]
    sys.argv, sys.path[0:1] = [target, *args], [path]
    try:
        source = module_file(target) if as_module else script_file(target)
        if as_module:
            runpy.run_module(target, run_name="__main__", alter_sys=True)
        elif is_plain(source):
            run_file(source)
        else:
            runpy.run_path(source, run_name="__main__")
    except SystemExit as exit_:
        return exit_code(exit_.code)
    except SpikecheckError:
        raise
    except BaseException as error:  # noqa: BLE001 - shown as Python shows it
        error.__traceback__ = without_ours(error.__traceback__, source)
        sys.last_value = error  # as Python does for what nobody caught; a log names it
        sys.excepthook(type(error), error, error.__traceback__)
        return EXIT_INTERRUPTED if isinstance(error, KeyboardInterrupt) else EXIT_FAILED
    finally:
        sys.argv, sys.path[:] = argv, search
    return 0


def is_plain(source: str) -> bool:
    """Return whether a script is a file of source code, and not a folder, an archive or compiled code."""
    return not source.endswith(".pyc") and pkgutil.get_importer(source) is None


def run_file(source: str) -> None:
    """Run a file as `__main__`. runpy would do it too, but puts the absolute path into sys.argv[0]."""
    main = ModuleType("__main__")
    main.__dict__.update(__file__=source, __cached__=None, __builtins__=builtins)
    before, sys.modules["__main__"] = sys.modules["__main__"], main
    try:
        exec(compile(Path(source).read_bytes(), source, "exec", dont_inherit=True), main.__dict__)
    finally:
        sys.modules["__main__"] = before


def script_file(target: str) -> str:
    """Return the absolute path of a script, which is its `__file__`; SpikecheckError where there is none."""
    if not os.path.exists(target):
        raise SpikecheckError(f"can't open file {target!r}: no such file")
    return os.path.abspath(target)


def module_file(target: str) -> str:
    """Return the file of a module, or of a package's `__main__`; SpikecheckError where there is none."""
    try:
        spec = find_spec(target)
        if spec is not None and spec.submodule_search_locations is not None:
            spec = find_spec(f"{target}.__main__")
    except ModuleNotFoundError:
        spec = None
    if spec is None or spec.origin is None:
        raise SpikecheckError(f"no module named {target!r} that can be run, neither in {os.getcwd()} nor installed")
    return spec.origin


def exit_code(code: object) -> int:
    """Return what a process returns for `sys.exit(code)`; a text is printed."""
    if code is None or isinstance(code, int):
        return code or 0
    sys.stderr.write(f"{code}\n")
    return EXIT_FAILED


def without_ours(trace: TracebackType | None, source: str) -> TracebackType | None:
    """Return a traceback that begins in the script, as if Python had run it."""
    while trace is not None and trace.tb_frame.f_code.co_filename != source:
        trace = trace.tb_next
    return trace
