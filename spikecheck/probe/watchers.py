"""Who is watched in this process, and what of it is paused in which thread: the one place where such state is kept.

Everything that outlives a monitor or is shared by several is an attribute of the one object `watchers`: the sessions
that are attached, the functions of torch that are replaced while there are any, and the receivers that compiled code
calls by number. Nothing else in this package, in `monitor`, `api` or `assertions` is a module-level variable that
changes; a test enforces this.

Each change is made under a lock, and puts a new tuple in the place of the old one, so that a loss in one thread can be
passed on while a monitor is attached in another.
"""

from __future__ import annotations

import itertools
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn
from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from spikecheck.probe.functions import Listening, is_application, listening
from spikecheck.probe.loss import Listener, Replacement, inform, replacements
from spikecheck.probe.ownership import GraphSpan, owners
from spikecheck.probe.torch_private import has_compiled, is_traced

Receiver = Callable[[bool, Sequence[Any], Sequence[Any], bool], None]  # grad mode, arguments, results, one alone?


class Watch(Protocol):
    """What is attached: one model, and whatever observes it."""

    model: nn.Module
    listener: Listener
    span: GraphSpan

    def is_running(self) -> bool:
        """Return whether a forward pass of the model is running in this thread."""

    def tap(self, name: str, spikes: Tensor, current: Tensor | None, potential: Tensor | None) -> None:
        """Observe the spikes that a script shows."""

    def miss_tap(self, name: str) -> None:
        """Note that spikes were shown, and not whose they are."""

    def remove(self) -> None:
        """Take every hook off."""

    def observe_singly(self) -> None:
        """Ask at each call in the forward pass that is open who receives it: that is about to change."""

    @property
    def functional(self) -> Functional:
        """What says whether an application of a custom autograd function is to be observed."""

    def applied(self, function: type, output: Any, args: Sequence[Any], frame: Any) -> None:
        """Observe one, in the frame of its caller."""


class Functional(Protocol):
    """What a watch observes of code that is no module."""

    def wants_applications(self) -> bool:
        """Return whether an application here and now is to be observed."""

    @property
    def is_done(self) -> bool:
        """Whether none will ever be of use again."""


class Scope:
    """A thread's own set of watches, while it pauses those of everybody else."""


@dataclass(frozen=True)
class Attached:
    """A watch, and the scope that it was attached in; None is the process at large."""

    watch: Watch
    scope: Scope | None


class Thread(threading.local):
    """What each thread has for itself."""

    scope: Scope | None = None
    latest: weakref.ref[Any] | None = None  # the watch whose model ran last in this thread


class Watchers:
    """The watches of a process. Each receives what happens in the scope that it was attached in."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._attached: tuple[Attached, ...] = ()
        self._replaced: tuple[Replacement, ...] = ()
        self._hooks: tuple[Any, ...] = ()  # on every optimizer: torch's own table must not change while it is read
        self._functions: Listening | None = None  # to the applications of custom autograd functions
        self._listens = False  # whether it is in place
        self._receivers: dict[int, Receiver] = {}
        self._numbers = itertools.count(1)  # 0 is no receiver
        self._passes = itertools.count(1)
        self._attachments: Counter[str] = Counter()  # so far, by what was attached to
        self._thread = Thread()

    # -- who is attached

    def add(self, watch: Watch) -> None:
        """Attach a watch in this thread's scope; the first one puts our functions in the place of torch's."""
        with self._lock:
            if not self._replaced:
                self._replaced = tuple(replacements(self.listeners))
                for replaced in self._replaced:
                    replaced.put()
                self._functions = listening(self.function_applied)
                self._hooks = (
                    register_optimizer_step_pre_hook(self.optimizer_steps),
                    register_optimizer_step_post_hook(self.optimizer_stepped),
                )
            self._attached = (*self._attached, Attached(watch, self._thread.scope))
            self._listen(True)

    def discard(self, watch: Watch) -> None:
        """Detach a watch; the last one puts torch's own functions back."""
        with self._lock:
            self._attached = tuple(attached for attached in self._attached if attached.watch is not watch)
            if not self._attached:
                for replaced in reversed(self._replaced):
                    replaced.put_back()
                for handle in self._hooks:
                    handle.remove()
                self._listen(False)
                self._replaced, self._hooks, self._functions = (), (), None

    def _listen(self, wanted: bool) -> None:
        """Begin or stop to observe the applications of custom autograd functions."""
        if self._functions is not None and wanted is not self._listens:
            self._listens = wanted
            (self._functions.put if wanted else self._functions.put_back)()

    def stop_listening(self) -> None:
        """Observe no more applications, if no watch has a use for any: in all of them the layers are modules.

        Beside compiled code everything stays in place: the compiler may have looked at it.
        """
        with self._lock:
            if all(attached.watch.functional.is_done for attached in self._attached) and not has_compiled():
                self._listen(False)

    def __contains__(self, watch: object) -> bool:
        return any(attached.watch is watch for attached in self._attached)

    def of(self, model: nn.Module) -> list[Watch]:
        """Return the watches of a model."""
        return [attached.watch for attached in self._attached if attached.watch.model is model]

    def all(self) -> list[Watch]:
        """Return every watch, in the order of attaching."""
        return [attached.watch for attached in self._attached]

    # -- who receives what happens in this thread

    def here(self) -> list[Watch]:
        """Return the watches that receive what happens in this thread, in the order of attaching."""
        scope = self._thread.scope
        return [attached.watch for attached in self._attached if attached.scope is scope]

    def receives(self, watch: Watch) -> bool:
        """Return whether a watch receives what happens in this thread."""
        for attached in self._attached:
            if attached.watch is watch:
                return attached.scope is self._thread.scope
        return False

    def listeners(self) -> list[Listener]:
        """Return who is told of the losses, backward passes and updates of this thread."""
        return [watch.listener for watch in self.here()]

    def optimizer_steps(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        """Tell those who listen in this thread that an optimizer is about to step."""
        inform(self.listeners, "optimizer_steps", optimizer)

    def optimizer_stepped(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        """Tell them that it has stepped."""
        inform(self.listeners, "optimizer_stepped", optimizer)

    def function_applied(self, function: type, output: Any, args: Sequence[Any], frame: Any) -> None:
        """Tell those who want to know that a custom autograd function was applied: every model that is running.

        Outside of any, it is the one that the tensors were computed with.
        """
        try:
            receiving = self.receivers_of(function, output, args)
        except Exception as error:  # noqa: BLE001 - it goes to the guard
            inform(self.listeners, "own_error", error)
            return
        for watch in receiving:
            watch.applied(function, output, args, frame)

    def receivers_of(self, function: type, output: Any, args: Sequence[Any]) -> list[Watch]:
        """Return the watches that an application of a custom autograd function is shown to."""
        wanting = [watch for watch in self.here() if watch.functional.wants_applications()]
        if not wanting or not is_application(function) or is_traced():
            return []
        running = [watch for watch in wanting if watch.is_running()] if len(wanting) > 1 else wanting
        if not running:
            shown = [value for value in (output, *args) if isinstance(value, Tensor)]
            owner = self.owner_of(shown, wanting)
            running = [] if owner is None else [owner]
        return running

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Pause, in this thread alone, every watch that is attached now, and keep to it what is attached meanwhile."""
        for attached in self._attached:
            attached.watch.observe_singly()
        before, self._thread.scope = self._thread.scope, Scope()
        try:
            yield
        finally:
            self._thread.scope = before

    # -- whose it is

    def forward_begins(self, watch: Watch, *, in_sight: bool = True) -> None:
        """Note that a forward pass begins in this thread; it is not `in_sight` where taps alone show it."""
        self._thread.latest = weakref.ref(watch)
        counted = in_sight and (watch.span.always_counted or len(self.here()) > 1)
        watch.span.begin(next(self._passes), counted=counted)

    def forward_ends(self, watch: Watch) -> None:
        """Note that it is over; what follows is no part of it."""
        watch.span.end()

    def latest(self) -> Watch | None:
        """Return the watch whose model ran last in this thread, if it is still attached."""
        watch: Watch | None = None if self._thread.latest is None else self._thread.latest()
        return watch if watch is not None and self.receives(watch) else None

    def owns(self, watch: Watch, tensors: Sequence[Tensor]) -> bool:
        """Return whether tensors were made from what this watch's model returned: by the graph, else who ran last."""
        here = self.here()
        if len(here) < 2:
            return True
        if watch.span.thread != threading.get_ident():
            return False
        owning = owners(tensors, here)
        return watch in owning if owning else self.latest() is watch

    def tap(self, name: str, spikes: Tensor, current: Tensor | None, potential: Tensor | None) -> None:
        """Pass a tap on to the watch that it is meant for; where nothing tells which, each says that it was not seen.

        It is the one whose model is running, the innermost of several; else the one whose forward pass or parameters
        the tensors were computed from; else the one whose model ran last in this thread.
        """
        here = self.here()
        if not here:
            return
        try:
            owner = here[0] if len(here) == 1 else self.owner_of([spikes, current, potential], here)
        except Exception as error:  # noqa: BLE001 - it goes to the guard
            inform(self.listeners, "own_error", error)
            return
        if owner is not None:
            owner.tap(name, spikes, current, potential)
        else:
            for watch in here:
                watch.miss_tap(name)

    def owner_of(self, shown: Sequence[Tensor | None], here: Sequence[Watch]) -> Watch | None:
        """Return which of several watches tensors belong to; None where nothing tells."""
        running = [watch for watch in here if watch.is_running()]
        if running:
            return max(running, key=lambda watch: watch.span.number)
        tensors = [tensor for tensor in shown if isinstance(tensor, Tensor)]
        owning = owners(tensors, here, nearest=True)
        return owning[0] if len(owning) == 1 else self.latest()

    def count_attachment(self, name: str) -> int:
        """Return how often a model of this name was attached to in this process, this time included."""
        with self._lock:
            self._attachments[name] += 1
            return self._attachments[name]

    # -- who is called by compiled code

    def register(self, receiver: Receiver) -> int:
        """Return a number that compiled code can name the receiver by."""
        with self._lock:
            number = next(self._numbers)
            self._receivers[number] = receiver
        return number

    def forget(self, number: int) -> None:
        """Stop passing on what compiled code sends to this number."""
        with self._lock:
            self._receivers.pop(number, None)

    def receiver(self, number: int) -> Receiver | None:
        """Return who has this number, if anybody still has."""
        return self._receivers.get(number)


watchers = Watchers()  # the only one
