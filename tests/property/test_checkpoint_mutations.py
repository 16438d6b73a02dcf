"""Whatever is changed in a valid file, it is read or refused in words: no other error, nothing run, no hang."""

from __future__ import annotations

import io
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread, current_thread

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spikecheck.checkpoint import diagnose_file
from spikecheck.checkpoint.diagnose import OWN_ERROR
from spikecheck.errors import UnreadableError
from spikecheck.settings import Settings

FORBIDDEN = {
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "subprocess.Popen",
    "pickle.find_class",
    "ctypes.dlopen",
    "os.mkdir",
}
SECONDS = 5  # of the processor: by the clock, an example takes as long as other programs let it


@dataclass
class Watch:
    """What is events in this thread, and in those that are started meanwhile."""

    foreign: frozenset[Thread]
    events: list[str] = field(default_factory=list)


watch: Watch | None = None


def record_event(event: str, what: tuple) -> None:
    if watch is not None and event in FORBIDDEN and current_thread() not in watch.foreign:
        watch.events.append(f"{event} {what}")


sys.addaudithook(record_event)  # one for the whole process: a hook cannot be taken off


@contextmanager
def watching() -> Iterator[list[str]]:
    """What is events meanwhile. No import makes a folder for what it compiles."""
    global watch
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    watch = Watch(frozenset(threading.enumerate()) - {current_thread()})
    try:
        yield watch.events
    finally:
        watch, sys.dont_write_bytecode = None, before


def judged(place: Path, content: bytes) -> str:
    """What is message of a file: "read", or why it was refused. Nothing else may come of it."""
    place.write_bytes(content)
    message, start = "read", time.process_time()
    with watching() as events:
        try:
            diagnose_file(place, settings=Settings())
        except UnreadableError as error:
            message = str(error)
            assert OWN_ERROR not in message
    assert events == []
    assert time.process_time() - start < SECONDS
    return message


def seeds() -> Iterator[bytes]:
    """Small valid files, one of each format."""
    torch.manual_seed(0)
    net = torch.nn.Linear(4, 3)
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.rand(2, 4)).sum().backward()
    optimizer.step()
    content = {"model": net.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}
    for how in ({}, {"pickle_protocol": 4}, {"_use_new_zipfile_serialization": False}):
        made = io.BytesIO()
        torch.save(content, made, **how)
        yield made.getvalue()
    text = b'{"fc.weight":{"dtype":"F32","shape":[3,4],"data_offsets":[0,48]}}'
    yield len(text).to_bytes(8, "little") + text + torch.rand(12).numpy().tobytes()


SEEDS = list(seeds())
INTERESTING = [
    b"\x00",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"c",
    b"R",
    b"\x81",
    b"b",
    b"0",
    b"2",
    b"(",
    b"t",
    b"r",
    b"\x93",
    b"Q",
]

mutation = st.tuples(
    st.sampled_from(["replace", "insert", "delete", "repeat", "cut"]),
    st.floats(0, 1, exclude_max=True),
    st.one_of(st.sampled_from(INTERESTING), st.binary(min_size=1, max_size=8)),
)


def mutated(content: bytes, how: str, where: float, what: bytes) -> bytes:
    at = int(where * len(content))
    if how == "cut":
        return content[:at]
    if how == "repeat":
        return content[:at] + content[at : at + 40] + content[at:]
    behind = at + (0 if how == "insert" else len(what))
    return content[:at] + (b"" if how == "delete" else what) + content[behind:]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mutations") / "mutated.pt"


@settings(max_examples=400, deadline=None, derandomize=True)
@given(seed=st.integers(0, len(SEEDS) - 1), mutations=st.lists(mutation, min_size=1, max_size=4))
def test_a_changed_file_is_read_or_refused(place: Path, seed: int, mutations: list[tuple[str, float, bytes]]) -> None:
    content = SEEDS[seed]
    for how, where, what in mutations:
        content = mutated(content, how, where, what)
    assert judged(place, content)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(head=st.sampled_from([b"\x80\x02", b"\x80\x04", b"}(", b"]("]), body=st.binary(max_size=60))
def test_any_bytes_are_a_pickle_that_does_no_harm(place: Path, head: bytes, body: bytes) -> None:
    assert judged(place, head + body + b".")


def test_the_seeds_are_healthy(place: Path) -> None:
    for content in SEEDS:
        assert judged(place, content) == "read"
        assert diagnose_file(place, settings=Settings()).ok


def test_the_watch_hears_what_is_done_here_and_not_what_other_threads_do(tmp_path: Path) -> None:
    go = Event()
    other = Thread(target=lambda: go.wait() and (tmp_path / "theirs").mkdir())
    other.start()
    with watching() as events:
        go.set()
        other.join()
        assert events == []
        (tmp_path / "ours").mkdir()
        started = Thread(target=lambda: (tmp_path / "of a thread of ours").mkdir())
        started.start()
        started.join()
    (tmp_path / "afterwards").mkdir()
    assert [Path(line.split("'")[1]).name for line in events] == ["ours", "of a thread of ours"]
