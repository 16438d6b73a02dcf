"""A case: one realistic mistake in a small script, or a script that is unusual and right."""

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
    """One script, with and without its mistake.

    Attributes:
        name: library and mistake, joined by hyphens.
        library: what its neurons come from; "hand" where they are written in the script.
        cause: what is wrong, one of `causes.CHECKS`; None for a healthy model.
        accepted: causes that are as true a name for it.
        thread: where it was reported, as owner/repo#number; empty where it is known from practice.
        about: one line on it.
        watch: runs the script with its mistake (True) or without (False), spikecheck attached.
        has_twin: is there a script without the mistake?
        noted: for a mistake that watching cannot know, the checks whose note names the experiment that can.
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

    @property
    def checks(self) -> frozenset[str]:
        """The checks that name this cause, or one that is accepted."""
        return frozenset(check for cause in (self.cause, *self.accepted) if cause for check in CHECKS[cause])


def fault(
    library: str, cause: str, *accepted: str, thread: str = "", noted: Iterable[str] = ()
) -> Callable[[Build], Case]:
    """Make a case of a function: its name and its docstring name and describe the mistake."""

    def made(build: Build) -> Case:
        name, about, beyond = named(library, build), first_line(build), frozenset(noted)
        return Case(name, library, cause, accepted, thread, about, lambda broken: judged(build, broken), noted=beyond)

    return made


def healthy(library: str, *, thread: str = "") -> Callable[[Callable[[], Script]], Case]:
    """Make a case of a function that builds a healthy script."""

    def made(build: Callable[[], Script]) -> Case:
        name, about = named(library, build), first_line(build)
        return Case(name, library, None, (), thread, about, lambda broken: judged(lambda _: build(), broken), False)

    return made


def named(library: str, build: Callable[..., Script]) -> str:
    """The library and the function's name, as a command line takes it."""
    return f"{library}-{build.__name__.replace('_', '-')}"


def first_line(build: Callable[..., Script]) -> str:
    """The first line of the docstring, without its full stop."""
    return (inspect.getdoc(build) or "").partition("\n")[0].rstrip(".")
