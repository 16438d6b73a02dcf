"""What other packages add through entry points. One that cannot be used is reported and skipped."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import TracebackType

from spikecheck.errors import SpikecheckError
from spikecheck.outside_text import MAX_SENTENCE, safe


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


@cache
def entry_points_of(group: str) -> tuple[EntryPoint, ...]:
    """Return the entry points of a group, in an order that does not depend on the order of installation."""
    return tuple(sorted(entry_points(group=group), key=lambda point: (point.name, point.value)))
