"""The benchmark's own cases, by family."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from ..case import Case


def every() -> dict[str, Case]:
    """Return all cases by name, faults first, in the order of their files."""
    cases: dict[str, Case] = {}
    for info in pkgutil.iter_modules(__path__):
        module = import_module(f"{__name__}.{info.name}")
        for case in [thing for thing in vars(module).values() if isinstance(thing, Case)]:
            if case.name in cases:
                raise ValueError(f"two cases have the name {case.name}")
            cases[case.name] = case
    return dict(sorted(cases.items(), key=lambda item: item[1].cause is None))
