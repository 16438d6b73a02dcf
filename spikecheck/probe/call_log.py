"""What a layer's calls show while a forward pass is open: noted without lock, guard or clock, and read when it ends.

A layer may be called a hundred times in a forward pass, and everything that is decided once per pass (who receives it,
in which thread, whether the state is to be sampled) is decided where the pass begins. From then on a call adds one
entry to a list. What is out of the ordinary (another thread, a tensor of a tracer's, an error of ours, a call before
which the state is sampled) is not noted, and takes the way through the guard.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import get_ident
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from spikecheck.probe.finiteness import Finiteness
from spikecheck.probe.frameworks.base import PER_STEP
from spikecheck.probe.torch_private import in_backward, versions_of
from spikecheck.site import Layout

if TYPE_CHECKING:
    from spikecheck.probe.frameworks.base import Observation
    from spikecheck.probe.layer import WatchedLayer
    from spikecheck.probe.recorder import Recorder

FIRST_MIDDLE_CALL = 4
MAX_HELD_CALLS = 4096  # calls of a layer that are kept before they are handed on without waiting for the pass's end


def is_state_sampled(calls: int) -> bool:
    """Return whether a layer's state is read before its next call, after so many calls in this forward pass.

    It is read before calls 1, 5, 6, 10, 18, 34, ... Call 1 shows what a sequence starts from. The later ones show what
    a step in the middle continues from, and the last of them is kept: since each comes about twice as late as the one
    before, it lies in the second half of the sequence, where a state that is lost or restarted has become visible, and
    T steps cost log2(T) reads. Most are even, so that a layer that gets two, four or eight steps for each frame is not
    read where a frame begins. Calls 2 to 4 are left out: a layer that is called two or three times in a forward pass
    may be shared by branches of the network, each of which starts from nothing.
    """
    before = calls - 1
    return calls in (0, FIRST_MIDDLE_CALL) or (before >= FIRST_MIDDLE_CALL and before & (before - 1) == 0)


#: Calls after which the next one goes through the guard: those whose state is sampled, and the last that is kept.
SPECIAL = tuple(calls for calls in range(MAX_HELD_CALLS) if is_state_sampled(calls) or calls == MAX_HELD_CALLS - 1)


class CallLog:
    """The calls of one layer in one forward pass and thread that were noted and not yet read, all of one form."""

    __slots__ = (
        "columns", "count", "finiteness", "form", "latest", "observe", "special", "thread", "training", "versions"
    )  # fmt: skip

    def __init__(
        self,
        observe: Callable[..., Observation],
        count: int = 0,
        *,
        training: bool = True,
        samples_state: bool = False,
        finiteness: Finiteness | None = None,
    ) -> None:
        self.observe, self.thread, self.training = observe, get_ident(), training
        self.count = count  # calls of the layer in the pass so far, those before this log among them
        self.special = SPECIAL if samples_state else SPECIAL[-1:]  # counts after which a call goes through the guard
        self.finiteness = finiteness  # takes currents and potentials, where nothing else is to be known of them
        self.clear()

    def clear(self) -> None:
        """Begin with no calls."""
        self.latest: Observation | None = None
        self.finiteness = None if self.finiteness is None else Finiteness()
        self.columns: tuple[list[Tensor], ...] = ([], [], [])  # spikes, currents, potentials
        self.versions: tuple[list[int | None], ...] = ([], [], [])  # of each tensor, when it was noted
        self.form: tuple[Layout, Layout | None, int, bool, bool, bool] | None = None

    def note(self, module: Any, args: Sequence[Any], kwargs: Mapping[str, Any], output: Any) -> bool:
        """Note a call that returned; False where it is to go through the guard."""
        grad = torch.is_grad_enabled()
        if self.count in self.special or (grad and not self.training) or in_backward():
            return False
        shown = self.observe(module, args, kwargs, output)
        spikes, current, potential = shown.spikes, shown.current, shown.potential
        versions = versions_of(spikes, current, potential)
        if spikes is None or versions is None:
            return False
        form = (shown.layout, shown.potential_layout, spikes.dim(), grad, current is None, potential is None)
        if self.form is None:
            self.form = form
            if potential is None or not potential.is_cpu or shown.layout != PER_STEP:
                self.finiteness = None
        elif form != self.form:
            return False
        self.count += 1
        self.latest = shown
        columns, changes = self.columns, self.versions
        columns[0].append(spikes)
        changes[0].append(versions[0])
        if self.finiteness is not None and potential is not None:
            self.finiteness.add(current, potential)
            return True
        if current is not None:
            columns[1].append(current)
            changes[1].append(versions[1])
        if potential is not None:
            columns[2].append(potential)
            changes[2].append(versions[2])
        return True


def open_logs(layers: Iterable[WatchedLayer], recorder: Recorder) -> list[tuple[WatchedLayer, CallLog]]:
    """Open a log for each layer of which this pass shows nothing but its calls: no gradient, and not the graph."""
    logs = []
    for watched in layers:
        watched.log = None
        if not (watched.hooked and watched.status.spikes) or watched.reads_axes:
            continue
        if recorder.training and watched.gradients.is_hooked():
            continue
        watched.log = CallLog(
            watched.layer.framework.observe,
            recorder.count(watched.name),
            training=recorder.training,
            samples_state=recorder.tier > 1,
            finiteness=Finiteness() if recorder.tier == 1 and watched.is_stepped else None,
        )
        logs.append((watched, watched.log))
    return logs
