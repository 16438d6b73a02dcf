"""Mistakes that can be switched on, one file each: what `train --break` and the tests of the checks share.

A file holds a docstring, whose first line says what the mistake is, and a `FAULT`. Looking at names and first lines
imports no fault, so that a command can list them without loading torch.
"""

from __future__ import annotations

import ast
import pkgutil
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from spikecheck.errors import SpikecheckError

if TYPE_CHECKING:
    from .base import Fault, Recipe

NOT_A_FAULT = {"base", "layers"}


def names() -> list[str]:
    """Name every fault, in alphabetical order, by looking at the folder alone."""
    found = {info.name for info in pkgutil.iter_modules(__path__)} - NOT_A_FAULT
    return sorted(name.replace("_", "-") for name in found)


def first_line(name: str) -> str:
    """Say in one line what a fault is: the first line of its file's docstring.

    Raises:
        SpikecheckError: there is no fault of that name.
    """
    source = (Path(__file__).parent / _module(name)).with_suffix(".py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]


def load(name: str) -> Fault:
    """Import one fault by its name; `count-input`, `count_input` and `COUNT_INPUT` are the same.

    Raises:
        SpikecheckError: there is no fault of that name.
    """
    fault: Fault = import_module(f"{__name__}.{_module(name)}").FAULT
    return fault


def inject(recipe: Recipe, faults: Iterable[str]) -> Recipe:
    """Put the named faults into a recipe, from left to right.

    Raises:
        SpikecheckError: there is no fault of one of the names.
    """
    for name in faults:
        recipe = load(name).inject(recipe)
    return recipe


def _module(name: str) -> str:
    wanted = name.strip().lower().replace("_", "-")
    if wanted not in names():
        raise SpikecheckError(f"no fault is called {name!r}; there are: {', '.join(names())}")
    return wanted.replace("-", "_")
