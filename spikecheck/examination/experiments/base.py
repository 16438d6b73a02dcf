"""What an experiment is, and how all of them are found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any, ClassVar

from spikecheck.examination.subject import Subject
from spikecheck.packages import classes_in


class Phase(Enum):
    """On which copy of the network an experiment is made, and when."""

    FRESH = "as it was given"
    TRAINED = "after some updates"
    SICK = "as it was given, if it does not learn or has findings"


@dataclass(frozen=True)
class Measurement:
    """A reading, and the place that it is about: a layer or a parameter by its name, or the model as a whole."""

    reading: Any
    place: str = "the model"


class NotApplicableError(Exception):
    """An experiment cannot be made with this subject; the message says why."""


class Experiment:
    """One change to a copy of the network, and what it shows. The docstring of a subclass says what is done.

    Class attributes:
        name: as reports show it.
        needs: what the subject must have.
        cost: in forward passes and updates.
        proves, cannot_tell: what follows from the reading, and what does not.
        phase: see `Phase`.
        seconds: the most that it may take.
        supports_only: whether its reading accuses healthy networks too, so that no check judges it alone.
    """

    name: ClassVar[str]
    needs: ClassVar[str]
    cost: ClassVar[str]
    proves: ClassVar[str]
    cannot_tell: ClassVar[str]
    phase: ClassVar[Phase] = Phase.FRESH
    seconds: ClassVar[float] = 10.0
    supports_only: ClassVar[bool] = False

    def run(self, subject: Subject) -> list[Measurement]:
        """Make the experiment, in a process of its own, and return its readings.

        Raises:
            NotApplicableError: it cannot be made with this subject.
        """
        raise NotImplementedError

    def summarize(self, measurements: list[Measurement]) -> str:
        """Return what was seen in one line."""
        raise NotImplementedError


@cache
def experiments() -> tuple[Experiment, ...]:
    """Return every experiment, in the order in which they are made: by phase, then by name of the file."""
    made = [kind() for kind in classes_in(__name__.rpartition(".")[0], Experiment) if kind is not Experiment]
    phases = list(Phase)
    return tuple(sorted(made, key=lambda one: phases.index(one.phase)))
