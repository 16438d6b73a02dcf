"""A session that watches nothing, for a monitor that could not be attached because of an error of ours."""

from __future__ import annotations

from spikecheck.probe.snapshot import Snapshot
from spikecheck.readings import RunReading


def nothing() -> RunReading:
    """Return the reading of a run of which nothing was observed."""
    return RunReading(live=False, update=0, forward_passes=0, backward_passes=0, called_per_time_step=False)


class Idle:
    """What a monitor uses of a session, with nothing behind it."""

    update = 0
    forward_passes = 0

    def install(self) -> None:
        """Do nothing."""

    def remove(self) -> None:
        """Do nothing: nothing was put on."""

    def settle(self) -> None:
        """Do nothing: nothing was observed."""

    def refresh(self) -> None:
        """Do nothing: nothing is read."""

    def snapshot(self, *, live: bool) -> Snapshot:
        """Return a snapshot in which nothing is known."""
        return Snapshot(nothing(), {}, (), None, False, None, {})

    def describe(self) -> str:
        """Return that nothing is watched."""
        return "nothing is watched"
