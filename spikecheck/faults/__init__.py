"""Faults to inject into a training script, one file each; used by `train --break` and by the tests of the checks.

A file has a docstring, whose first line describes the fault, and a `FAULT`. Listing names and first lines imports no
fault, so a command can list them without loading torch.
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
    """List the names of all faults in alphabetical order, without importing them."""
    modules = {info.name for info in pkgutil.iter_modules(__path__)} - NOT_A_FAULT
    return sorted(name.replace("_", "-") for name in modules)


def first_line(name: str) -> str:
    """Return the first line of the docstring of a fault's file.

    Raises:
        SpikecheckError: there is no fault with this name.
    """
    source = (Path(__file__).parent / _module(name)).with_suffix(".py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]


def load(name: str) -> Fault:
    """Import one fault by its name; `count-input`, `count_input` and `COUNT_INPUT` are the same.

    Raises:
        SpikecheckError: there is no fault with this name.
    """
    fault: Fault = import_module(f"{__name__}.{_module(name)}").FAULT
    return fault


def inject(recipe: Recipe, faults: Iterable[str]) -> Recipe:
    """Inject the named faults into a recipe, from left to right.

    Raises:
        SpikecheckError: a name is not that of a fault.
    """
    for name in faults:
        recipe = load(name).inject(recipe)
    return recipe


def _module(name: str) -> str:
    normalized = name.strip().lower().replace("_", "-")
    if normalized not in names():
        raise SpikecheckError(f"unknown fault {name!r}; the faults are: {', '.join(names())}")
    return normalized.replace("-", "_")
