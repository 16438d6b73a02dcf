"""Run a trial so that nothing of the user's changes: in a forked child process, or in place with everything restored.

A forked child is an exact copy of the process: closures, hooks, state that layers carry, random states and iterators
are the child's own (docs/decisions/0030-trials-run-in-forked-children.md). Its result comes back through a pipe. A
child that takes too long is killed, and one that the system killed is named. Where a process cannot be forked safely
(CUDA, macOS, Windows), `spikecheck.probe.model_state` remembers the state and puts it back.
"""

from __future__ import annotations

import copy
import faulthandler
import gc
import os
import pickle
import selectors
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, NoReturn, TypeVar

import torch
from torch import Tensor, nn

from spikecheck.assertions.watched import tensors_of
from spikecheck.errors import SpikecheckError
from spikecheck.examination.subject import OutOfTimeError, Subject
from spikecheck.outside_text import MAX_SENTENCE, safe
from spikecheck.probe.model_state import ModelState, random_state
from spikecheck.probe.watchers import watchers

T = TypeVar("T")
CHUNK = 1 << 16
MAX_ERROR = 140  # characters of an exception's text
TAKING = 60.0  # seconds in which the batches must have come
GRACE = 2.0  # seconds in which a child that notices its deadline sends its result, before it is killed


class FailureKind(Enum):
    """Why a trial has no result."""

    RAISED = "raised"
    TIMED_OUT = "timed out"
    KILLED = "killed"


@dataclass(frozen=True)
class Failure:
    """Why a trial has no result: the exception with the line that raised it, or the signal that ended the child."""

    kind: FailureKind
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Result(Generic[T]):
    """What a trial returned, or why it returned nothing, and how long it took."""

    value: T | None
    failure: Failure | None
    seconds: float

    def get(self) -> T:
        """Return the value; SpikecheckError with the reason where there is none."""
        if self.failure is not None:
            raise SpikecheckError(str(self.failure))
        return self.value  # type: ignore[return-value]


def run_isolated(function: Callable[[Subject], T], subject: Subject, *, seconds: float = 60.0) -> Result[T]:
    """Run `function(subject)` and return what it returned; nothing that it does to the subject stays.

    Args:
        function: the trial. What it returns is pickled where it runs in a child: plain values and tensors.
        subject: a shallow copy of it is passed on, with a deadline: `train`, `update` and `output` raise OutOfTimeError
            after it, and a child that goes on is killed.
        seconds: the time limit.
    """
    start = time.monotonic()
    own = copy.copy(subject)
    own.deadline = min(start + seconds, subject.deadline)  # within another trial, its deadline holds too
    seconds = max(0.0, own.deadline - start)
    if can_fork(subject):
        value, failure = Child(lambda: function(own)).result(seconds + GRACE)
    else:
        value, failure = run_in_place(function, own)
    return Result(value, failure, time.monotonic() - start)


def can_fork(subject: Subject | None = None) -> bool:
    """Return whether a trial may run in a forked child: on Linux, with the model and its batches on the CPU."""
    if sys.platform != "linux" or not hasattr(os, "fork"):
        return False
    if subject is None:
        return True
    model = subject.model  # by name: a library may give `parameters` another meaning
    tensors = [tensor for _, tensor in (*model.named_parameters(), *model.named_buffers())]
    tensors += [tensor for batch in subject.batches for tensor in tensors_of([*batch.inputs, batch.targets])]
    return all(tensor.device.type == "cpu" for tensor in tensors)


class Child:
    """A forked copy of this process that runs one function and ends."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._reader, writer = os.pipe()
        with warnings.catch_warnings():  # Python 3.12 warns of threads: one that holds a lock meets the time limit
            warnings.simplefilter("ignore", DeprecationWarning)
            self.pid = os.fork()
        if self.pid == 0:
            run_in_child(function, writer)
        os.close(writer)

    def result(self, seconds: float) -> tuple[Any, Failure | None]:
        """Wait for the result; kill the child where it takes longer, or where this is interrupted."""
        try:
            content, ended = self.read(time.monotonic() + seconds)
        except BaseException:
            self.end(kill=True)
            raise
        status = self.end(kill=not ended)
        if not ended:
            return None, Failure(FailureKind.TIMED_OUT, f"did not end within {seconds:.0f} s, and was stopped")
        if not content:
            return None, Failure(FailureKind.KILLED, death(status))
        try:
            value, failure = pickle.loads(content)
        except (pickle.UnpicklingError, EOFError):  # it was killed while it wrote
            return None, Failure(FailureKind.KILLED, death(status))
        return value, failure

    def read(self, deadline: float) -> tuple[bytes, bool]:
        """Return what the child wrote, and whether it was done before the deadline."""
        content = bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(self._reader, selectors.EVENT_READ)
            while selector.select(max(0.0, deadline - time.monotonic())):
                chunk = os.read(self._reader, CHUNK)
                if not chunk:
                    return bytes(content), True
                content += chunk
        return bytes(content), False

    def end(self, *, kill: bool) -> int:
        """Wait until the child has ended, by itself or killed, and return its exit status."""
        os.close(self._reader)
        try:
            if kill:
                os.kill(self.pid, signal.SIGKILL)
            return os.waitpid(self.pid, 0)[1]
        except (ChildProcessError, ProcessLookupError):  # the script ignores SIGCHLD: the system has collected it
            return 0


def death(status: int) -> str:
    """Return what ended a child that sent no result."""
    if not os.WIFSIGNALED(status):
        return f"its process ended without a result (exit code {os.waitstatus_to_exitcode(status)})"
    number = os.WTERMSIG(status)
    memory = ": probably out of memory" if number == signal.SIGKILL else ""
    return f"its process was killed by {signal.Signals(number).name}{memory}"


def run_in_child(function: Callable[[], Any], writer: int) -> NoReturn:
    """Run the function in a fresh child, send what it returns, and end without any cleaning up of the parent's."""
    try:
        become_quiet()
        with watchers.pause():
            value, failure = attempt(function)
        try:
            content = pickle.dumps((value, failure))
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            content = pickle.dumps((None, Failure(FailureKind.RAISED, f"its result cannot be sent: {error}")))
        send(writer, content)
    finally:
        os._exit(0)


def become_quiet() -> None:
    """Let a child print nothing, collect no garbage of its parent, use one thread, and end when it is told to."""
    gc.freeze()
    faulthandler.disable()
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    sys.stdin = sys.stdout = sys.stderr = open(os.devnull, "r+")  # noqa: SIM115 - until the child ends
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    torch.set_num_threads(1)  # the threads of the parent's pool are not in the child, which would wait for them


def send(writer: int, content: bytes) -> None:
    """Write everything to the pipe."""
    view = memoryview(content)
    while view:
        view = view[os.write(writer, view) :]


def attempt(function: Callable[[], T]) -> tuple[T | None, Failure | None]:
    """Return what a trial returns, and why it returns nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return function(), None
        except OutOfTimeError as error:
            return None, Failure(FailureKind.TIMED_OUT, str(error))
        except Exception as error:  # noqa: BLE001 - the user's code may raise anything: the report names it
            return None, Failure(FailureKind.RAISED, described(error))


def described(error: Exception) -> str:
    """Return an exception in one line, with the last line of the user's own code."""
    frames = traceback.extract_tb(error.__traceback__)
    installed = (os.sep + "site-packages" + os.sep, os.path.dirname(os.path.dirname(__file__)) + os.sep)
    own = [frame for frame in frames if not any(folder in frame.filename for folder in installed)]
    place = f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""
    text = " ".join(str(error).split())
    text = text[:MAX_ERROR].rpartition(" ")[0] + " ..." if len(text) > MAX_ERROR else text
    return safe(f"{type(error).__name__}: {text or 'no message'}{place}", MAX_SENTENCE)


def run_in_place(function: Callable[[Subject], T], subject: Subject) -> tuple[T | None, Failure | None]:
    """Run a trial on the user's own objects, and put everything back.

    Raises:
        SpikecheckError: something is not as it was afterwards, which must not stay unknown.
    """
    before = ModelState.of([subject.model, *own_modules(subject)], subject.optimizer)
    try:
        with watchers.pause():
            return attempt(lambda: function(subject))
    finally:
        before.restore()
        for line in before.differences():
            raise SpikecheckError(f"a trial ran on the model itself, and {line}: load your last checkpoint")


def own_modules(subject: Subject) -> list[nn.Module]:
    """Return the modules beside the model that a trial may change: a loss with parameters or buffers."""
    return [value for value in (subject.loss_fn, subject.step, subject.forward) if isinstance(value, nn.Module)]


def take_batches(batches: Any, most: int) -> list[Any]:
    """Return the first batches, without using up an iterator or a random state of the user's.

    Raises:
        SpikecheckError: they cannot be taken; the message says why.
    """
    if isinstance(batches, list | tuple) and not is_one_batch(batches):
        return list(batches[:most])
    if isinstance(batches, Tensor) or is_one_batch(batches):
        return [batches]
    if not hasattr(batches, "__iter__"):
        raise SpikecheckError(f"batches= takes a DataLoader, a list or a generator, got {type(batches).__name__}")
    if type(batches).__name__ == "_MultiProcessingDataLoaderIter":  # its workers' queue is shared with a child
        raise SpikecheckError("batches= is the iterator of a DataLoader with workers: pass the DataLoader itself")

    def take() -> list[Any]:
        return [compact(batch) for _, batch in zip(range(most), batches, strict=False)]

    if can_fork():
        value, failure = Child(take).result(TAKING)
    elif hasattr(batches, "__next__"):
        raise SpikecheckError("batches= would be used up: pass a DataLoader or a list, not a generator or an iterator")
    else:
        restore = random_state()
        try:
            value, failure = attempt(take)
        finally:
            restore()
    if failure is not None:
        raise SpikecheckError(f"taking {most} batches: {failure}")
    return value or []


def compact(value: Any) -> Any:
    """Return a batch whose tensors share no storage with more than themselves, which would be sent along."""
    if isinstance(value, Tensor):
        is_view = value.layout is torch.strided and value.untyped_storage().nbytes() > value.nbytes
        return value.clone() if is_view else value
    if isinstance(value, dict):
        return {name: compact(part) for name, part in value.items()}
    return type(value)(map(compact, value)) if type(value) in (list, tuple) else value


def is_one_batch(value: Any) -> bool:
    """Return whether a list or tuple is a single batch, as a DataLoader yields it: its first element is a tensor."""
    return isinstance(value, tuple | list) and bool(value) and isinstance(value[0], Tensor)
