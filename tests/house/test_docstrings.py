"""Docstrings of what users and other packages call: every argument is described, and every error of ours is named."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from types import FunctionType
from typing import Any

import pytest
import torch

import spikecheck
from spikecheck import plugin
from spikecheck.assertions import UnhealthyError, assert_binary, severity
from spikecheck.calibration.result import Calibration
from spikecheck.errors import FindingError, SpikecheckError
from spikecheck.tuning.result import Tuning
from tests.house.raises import raised_by
from tests.house.tree import PACKAGE, ROOT

MODULES = ["strategies", *(f"reference.{path.stem}" for path in (PACKAGE / "reference").glob("[!_]*.py"))]
#: Methods of public classes that only spikecheck itself calls; those of the API reference are for users.
LISTED = {
    name: set(members.replace(" ", "").split(","))
    for name, members in re.findall(
        r"autoclass:: spikecheck\.(\w+)\(\)\n   :members: (.+)",
        (ROOT / "docs/site/api.rst").read_text(encoding="utf-8"),
    )
}


def own_values(module: Any) -> Iterator[Any]:
    """What a module defines itself."""
    yield from (v for n, v in vars(module).items() if n[0] != "_" and getattr(v, "__module__", "") == module.__name__)


def methods(cls: type) -> Iterator[tuple[FunctionType, str]]:
    """The public methods of a class, each with what documents its arguments: the class too, and what it overrides."""
    for name, member in vars(cls).items():
        function = getattr(member, "__func__", member.fget if isinstance(member, property) else member)
        is_own = isinstance(function, FunctionType) and inspect.getfile(function) != "<string>"
        if is_own and (name[0] != "_" or name == "__init__") and name in LISTED.get(cls.__name__, {name}):
            texts = [inspect.getdoc(getattr(base, name, None)) for base in cls.__mro__]
            yield function, "\n".join([cls.__doc__ or "", *(text for text in texts if text)])


def public() -> Iterator[Any]:
    """Each public function with the class that it is a method of, and its documentation."""
    modules = [import_module(f"spikecheck.{name}") for name in MODULES]
    values = [getattr(spikecheck, name) for name in spikecheck.__all__]
    values += [getattr(plugin, name) for name in plugin.__all__]
    for value in dict.fromkeys([*values, *(v for m in modules for v in own_values(m)), Tuning, Calibration]):
        if isinstance(value, FunctionType):
            text = f"{inspect.getdoc(value)}\n{import_module(value.__module__).__doc__}"
            yield pytest.param(value, None, text, id=f"{value.__module__}.{value.__name__}")
        elif inspect.isclass(value) and not issubclass(value, torch.autograd.Function):
            for function, text in methods(value):
                yield pytest.param(function, value, text, id=f"{value.__module__}.{function.__qualname__}")


def test_errors_are_found_through_calls_and_not_where_they_are_caught() -> None:
    assert raised_by(assert_binary) == {SpikecheckError, UnhealthyError}  # the second in `fail`, which it calls
    assert raised_by(severity) == {SpikecheckError}  # `Severity.named` raises KeyError, which is caught


@pytest.mark.parametrize(("function", "owner", "text"), [*public()])
def test_arguments_are_described_and_errors_are_named(function: FunctionType, owner: type | None, text: str) -> None:
    """An argument is in backticks or begins a line of `Args:`; an error is named, or the one that it is a kind of."""
    signature = inspect.signature(inspect.unwrap(function))
    named = [name for name in signature.parameters if name not in ("self", "cls", "draw")]
    assert not [name for name in named if not re.search(rf"`{name}\b|^ *{name}: ", text, re.MULTILINE)]
    errors = {error for error in raised_by(function, owner) if error is not FindingError}
    assert not [error for error in errors if not any(base.__name__ in text for base in error.__mro__[:-3])]
