"""What other packages add through entry points. One that cannot be used is reported and skipped."""

from __future__ import annotations

import inspect
import pkgutil
import traceback
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from types import TracebackType
from typing import TypeVar

from spikecheck.errors import SpikecheckError
from spikecheck.outside_text import MAX_SENTENCE, safe

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class UnusableExtension:
    """What another package offers, in words ("check LAB001"), and why it cannot be used."""

    offer: str
    package: str
    reason: str

    @classmethod
    def of(cls, kind: str, point: EntryPoint, why: str) -> UnusableExtension:
        """Return the extension that this entry point would have added."""
        package = "an unknown package" if point.dist is None else f"{point.dist.name} {point.dist.version}"
        return cls(f"{kind} {point.name}", package, f"{why}, from its entry point {point.value}")

    def __str__(self) -> str:
        return f"the {self.offer} of {self.package} is not used: {self.reason}. Update that package, or uninstall it"


class ExtensionCode:
    """A block in which another package's code runs: `why` keeps what it raised, with the place."""

    def __init__(self) -> None:
        self.why = ""

    def __enter__(self) -> ExtensionCode:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception | SystemExit):
            return False
        text = safe(" ".join(str(error).split()) or "no message", MAX_SENTENCE)
        last = traceback.extract_tb(trace)[-1]
        place = f" ({last.filename}, line {last.lineno})"
        self.why = text if isinstance(error, SpikecheckError) else f"{type(error).__name__}: {text}{place}"
        return True


def classes_in(package: str, base: type[T]) -> list[type[T]]:
    """Return the subclasses of a class that the modules of a package define, by the names of the modules."""
    classes: list[type[T]] = []
    for info in pkgutil.iter_modules(import_module(package).__path__):
        module = import_module(f"{package}.{info.name}")
        classes += [
            thing
            for thing in vars(module).values()
            if inspect.isclass(thing) and issubclass(thing, base) and thing.__module__ == module.__name__
        ]
    return classes


@cache
def entry_points_of(group: str) -> tuple[EntryPoint, ...]:
    """Return the entry points of a group, in an order that does not depend on the order of installation."""
    return tuple(sorted(entry_points(group=group), key=lambda point: (point.name, point.value)))
