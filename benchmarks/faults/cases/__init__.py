"""The benchmark's own cases, by family."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from ..case import Case


def every() -> dict[str, Case]:
    """Every case by its name, the faults first, in the order of their files."""
    found: dict[str, Case] = {}
    for info in pkgutil.iter_modules(__path__):
        module = import_module(f"{__name__}.{info.name}")
        for case in [thing for thing in vars(module).values() if isinstance(thing, Case)]:
            if case.name in found:
                raise ValueError(f"two cases are called {case.name}")
            found[case.name] = case
    return dict(sorted(found.items(), key=lambda item: item[1].cause is None))
