"""Which root causes the user is told of while training goes on, and when: each once, with its consequences inside."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from spikecheck.checks.progress import GRACE_UPDATES
from spikecheck.diagnosis import Cause, Diagnosis
from spikecheck.finding import Finding

#: Updates for which a finding that came up during training waits for what may have caused it. Derived: a hot learning
#: rate is judged by 5 updates, a growing gradient by as many, and both show in weights, drives and losses before.
PATIENCE = 8

Key = tuple[str, str, str]


class Announcements:
    """What the user was told of, and what waits for its cause.

    A finding that the first forward pass shows is told of at once. One that came up during training, and that another
    check can explain, waits for at most PATIENCE updates.
    """

    def __init__(self, *, patient: bool = True) -> None:
        self.patient = patient  # False: the training is to stop in the update in which something is found
        self._announced: dict[Key, int] = {}  # the severity
        self._first_seen: dict[Key, int] = {}  # the update
        self._waits_until: int | None = None  # the update at which the first one that waits has waited long enough

    def is_announced(self, key: tuple[str, ...]) -> bool:
        """Return whether the user was told of a finding, as a cause or as a consequence."""
        return key in self._announced

    def is_due(self, update: int, keys: Iterable[tuple[str, ...]]) -> bool:
        """Return whether to evaluate for the sake of findings that the user was not told of, those of `keys`."""
        waited = self._waits_until is not None and update >= self._waits_until
        return waited or (update == GRACE_UPDATES and not all(map(self.is_announced, keys)))

    def due(
        self, diagnosis: Diagnosis, update: int, awaits: Callable[[Sequence[Finding]], bool], *, last: bool = False
    ) -> Iterator[Cause]:
        """Yield the root causes to tell of now, each with its consequences, and then the notes.

        `awaits` is whether it is too early to tell of a cause and its consequences, since training may still repair it.
        A new consequence of a cause that the user knows is no news. Nothing waits for its cause if this may be the
        `last` evaluation.
        """
        self._waits_until = None
        for cause in (*diagnosis.causes, *map(Cause, diagnosis.notes)):
            members = (cause.finding, *cause.consequences)
            for finding in members:
                self._first_seen.setdefault(finding.key, update)
            fresh = [finding for finding in members if finding.severity > self._announced.get(finding.key, 0)]
            patient = self.patient and not last
            if fresh and patient and self.may_be_explained(cause.finding, update):
                until = self._first_seen[cause.finding.key] + PATIENCE
                self._waits_until = until if self._waits_until is None else min(self._waits_until, until)
                continue
            if not fresh or awaits(members):
                continue
            known = self.is_announced(cause.finding.key) and cause.finding not in fresh
            self._announced |= {finding.key: finding.severity for finding in fresh}
            if not known:
                yield cause

    def may_be_explained(self, finding: Finding, update: int) -> bool:
        """Return whether what caused a finding may become known within the next updates."""
        came_up = finding.when.update > 0 and bool(finding.explained_by) and not self.is_announced(finding.key)
        return came_up and update < self._first_seen[finding.key] + PATIENCE
