"""A case: a small script with one realistic fault, or an unusual but correct script."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .causes import CHECKS
from .script import Script
from .verdict import Outcome, judged

Build = Callable[[bool], Script]


@dataclass(frozen=True)
class Case:
    """One script, with and without its fault.

    Attributes:
        name: library and fault, joined by hyphens.
        library: the library of its neurons; "hand" for hand-written ones.
        cause: the fault, a key of `causes.CHECKS`; None for a healthy script.
        accepted: other causes that describe the fault equally well.
        thread: where it was reported, as owner/repo#number; empty if it is known from practice.
        about: a one-line description.
        watch: runs the script with its fault (True) or without it (False), with spikecheck attached.
        has_twin: whether there is a version without the fault.
        noted: for a fault that cannot be detected by watching, the checks whose note names the experiment that can.
        reported: whether somebody who had not seen the checks reproduced it from a public report.
        build: makes the script with its fault (True) or without it (False); None where it is not of this benchmark.
    """

    name: str
    library: str
    cause: str | None
    accepted: tuple[str, ...]
    thread: str
    about: str
    watch: Callable[[bool], Outcome]
    has_twin: bool = True
    noted: frozenset[str] = frozenset()
    reported: bool = False
    build: Build | None = None

    @property
    def checks(self) -> frozenset[str]:
        """Return the checks that report the cause or an accepted one."""
        return frozenset(check for cause in (self.cause, *self.accepted) if cause for check in CHECKS[cause])


def fault(
    library: str, cause: str, *accepted: str, thread: str = "", noted: Iterable[str] = (), reported: bool = False
) -> Callable[[Build], Case]:
    """Decorate a function as a case; its name and docstring name and describe the fault."""

    def make(build: Build) -> Case:
        name, about, beyond = named(library, build), first_line(build), frozenset(noted)
        watch = lambda broken: judged(build, broken)  # noqa: E731
        return Case(name, library, cause, accepted, thread, about, watch, noted=beyond, reported=reported, build=build)

    return make


def healthy(library: str, *, thread: str = "", reported: bool = False) -> Callable[[Callable[[], Script]], Case]:
    """Decorate a function that builds a healthy script as a case."""

    def make(build: Callable[[], Script]) -> Case:
        name, about = named(library, build), first_line(build)
        make_script = lambda _: build()  # noqa: E731
        watch = lambda broken: judged(make_script, broken)  # noqa: E731
        return Case(name, library, None, (), thread, about, watch, has_twin=False, reported=reported, build=make_script)

    return make


def named(library: str, build: Callable[..., Script]) -> str:
    """Return the name of a case: library and function name, joined by hyphens."""
    return f"{library}-{build.__name__.replace('_', '-')}"


def first_line(build: Callable[..., Script]) -> str:
    """Return the first line of the docstring without its period."""
    return (inspect.getdoc(build) or "").partition("\n")[0].rstrip(".")
