"""Which errors of its own a function can raise, by reading its code and that of the functions of ours that it calls."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from functools import cache
from types import FunctionType
from typing import Any

from spikecheck.assertions import UnhealthyError
from spikecheck.errors import SpikecheckError

OURS = (SpikecheckError, UnhealthyError)


def raised_by(function: FunctionType, owner: type | None = None) -> frozenset[type[Exception]]:
    """Return what a function raises and does not catch; `owner` is the class of a method.

    What a call leads to is followed where its name says so: functions of the module or imported into it, classes, and
    methods of `self`. Methods of other objects are not followed, so that the answer may lack an error.
    """
    return _raised_by(inspect.unwrap(function), owner, ())


@cache
def _raised_by(
    function: FunctionType, owner: type | None, above: tuple[FunctionType, ...]
) -> frozenset[type[Exception]]:
    if function in above or not function.__module__.startswith("spikecheck"):
        return frozenset()
    source = textwrap.dedent(inspect.getsource(function))
    return frozenset(_errors(ast.parse(source).body[0], function, owner, (*above, function)))


def _errors(
    node: ast.AST, function: FunctionType, owner: type | None, above: tuple[FunctionType, ...]
) -> Iterator[type[Exception]]:
    """Yield the errors of a piece of code."""
    if isinstance(node, ast.Try):
        caught = tuple(error for handler in node.handlers for error in _types(handler.type, function, owner))
        for statement in node.body:
            yield from (e for e in _errors(statement, function, owner, above) if not issubclass(e, caught))
        inside: list[ast.AST] = [*node.handlers, *node.orelse, *node.finalbody]
    else:
        inside = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.Raise) and node.exc is not None:
        raised = _value(node.exc.func if isinstance(node.exc, ast.Call) else node.exc, function, owner)
        if inspect.isclass(raised) and issubclass(raised, OURS):
            yield raised
    if isinstance(node, ast.Call):
        for called, of in _called(node.func, function, owner):
            yield from _raised_by(inspect.unwrap(called), of, above)
    for child in inside:
        yield from _errors(child, function, owner, above)


def _called(node: ast.AST, function: FunctionType, owner: type | None) -> Iterator[tuple[FunctionType, type | None]]:
    """Yield the function that an expression names; of a class, those that make an object of it."""
    value = _value(node, function, owner)
    if inspect.isclass(value):
        own = (vars(value).get(name) for name in ("__init__", "__post_init__"))
        yield from (
            (each, value) for each in own if isinstance(each, FunctionType) and inspect.getfile(each) != "<string>"
        )
    elif isinstance(value, FunctionType):
        of = None if isinstance(node, ast.Name) else _value(getattr(node, "value", node), function, owner)
        yield value, of if inspect.isclass(of) else None


def _types(node: ast.AST | None, function: FunctionType, owner: type | None) -> Iterator[type[BaseException]]:
    """Yield the exceptions that an `except` names."""
    for one in node.elts if isinstance(node, ast.Tuple) else [] if node is None else [node]:
        value = _value(one, function, owner)
        yield from (each for each in (value if isinstance(value, tuple) else (value,)) if inspect.isclass(each))


def _value(node: ast.AST, function: FunctionType, owner: type | None) -> Any:
    """Return what a name, or the attribute of a name, stands for in a function; None where that cannot be told."""
    if isinstance(node, ast.Name):
        known = function.__globals__
        return owner if node.id in ("self", "cls") else known.get(node.id, known["__builtins__"].get(node.id))
    if isinstance(node, ast.Attribute):
        of = _value(node.value, function, owner)
        if inspect.isclass(of) or inspect.ismodule(of):
            value = inspect.getattr_static(of, node.attr, None)
            return value.__func__ if isinstance(value, classmethod | staticmethod) else value
    return None
