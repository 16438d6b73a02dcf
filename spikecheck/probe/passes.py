"""Which forward passes of a model are running, each in its thread, and whether one still is after an interrupt."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from threading import get_ident

from torch import nn

from spikecheck.probe.call_log import CallLog, open_logs
from spikecheck.probe.layer import WatchedLayer
from spikecheck.probe.recorder import Recorder
from spikecheck.probe.time_loop import TimeLoop
from spikecheck.probe.torch_private import calls_running


@dataclass
class Pass:
    """A thread's latest forward pass, and what it shows."""

    thread: int
    depth: int = 0  # calls of the model that are running, one inside the other; 0 where its parts are called alone
    recorder: Recorder = field(default_factory=Recorder)
    loop: TimeLoop = field(default_factory=TimeLoop)
    logs: list[tuple[WatchedLayer, CallLog]] = field(default_factory=list)  # of the model's call that is running

    def open_logs(self, layers: Iterable[WatchedLayer]) -> None:
        """Note the calls of the layers from now on, until the model's call is over."""
        self.logs = open_logs(layers, self.recorder)

    def count(self, watched: WatchedLayer) -> int:
        """Return how often a layer was called so far."""
        return self.recorder.count(watched.name) if watched.log is None else watched.log.count

    def settle(self, only: WatchedLayer | None = None) -> None:
        """Give the calls that were noted so far to the recorder; those of one layer, where its next one is guarded."""
        for watched, log in self.logs:
            if log.form is not None and (only is None or only is watched):
                self.recorder.calls(watched.name).settle(watched, log)

    def recount(self) -> None:
        """Count on from the calls that the recorder has."""
        for watched, log in self.logs:
            log.count = self.recorder.count(watched.name) + len(log.columns[0])

    def close_logs(self) -> None:
        """Note no more calls; what was noted goes to the recorder."""
        self.settle()
        for watched, log in self.logs:
            if watched.log is log:
                watched.log = None
        self.logs = []


class Passes:
    """The forward passes of one model: at most one per thread, so that two threads do not mix what they show."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.by_thread: dict[int, Pass] = {}

    def own(self) -> Pass:
        """Return this thread's pass, an empty one to begin with."""
        here = get_ident()
        own = self.by_thread.get(here)
        if own is None:
            own = self.by_thread[here] = Pass(here)
        return own

    def here(self) -> Pass:
        """Return the pass that a call in this thread is part of.

        A thread that does not call the model itself works for the one that does, as under `nn.DataParallel`.
        """
        own = self.by_thread.get(get_ident())  # asked for by every hook, and so without another call
        if own is not None and own.depth:
            return own
        own = self.own()
        return next((other for other in self.by_thread.values() if other.depth), own)

    @property
    def recorder(self) -> Recorder:
        """What the pass shows that a call in this thread is part of."""
        return self.here().recorder

    @property
    def depth(self) -> int:
        """How many calls of the model are running in the pass that a call in this thread is part of."""
        return self.here().depth

    def was_abandoned(self, called: nn.Module) -> bool:
        """Return whether this thread's pass never returned, now that `called`, the model or a replica, is called.

        torch calls no hook where KeyboardInterrupt, or anything else that is no Exception, ends a call. So the stack
        is looked at, which holds the new call already.
        """
        return self.own().depth > 0 and calls_running(called, sys._getframe()) == 1

    def is_running_here(self) -> bool:
        """Return whether this thread is calling the model."""
        own = self.by_thread.get(get_ident())
        return own is not None and own.depth > 0 and calls_running(self.model, sys._getframe()) != 0

    def finished(self) -> list[Pass]:
        """Return the passes of threads that are over, and drop them."""
        if not self.by_thread.keys() - {get_ident()}:
            return []
        living = sys._current_frames()
        return [self.by_thread.pop(thread) for thread in list(self.by_thread) if thread not in living]

    def clear(self) -> None:
        """Keep no tensor."""
        self.by_thread = {}
