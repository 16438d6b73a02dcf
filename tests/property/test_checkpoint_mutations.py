"""Whatever is changed in a valid file, it is read or refused in words: no other error, nothing run, no hang."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spikecheck.checkpoint import diagnose_file
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
seen: list[str] = []
watching = False


def hear(event: str, _: tuple) -> None:
    if watching and event in FORBIDDEN:
        seen.append(event)


sys.addaudithook(hear)  # one for the whole process: a hook cannot be taken off


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
    path = tmp_path_factory.mktemp("mutations") / "mutated.pt"
    path.write_bytes(SEEDS[0])
    diagnose_file(path, settings=Settings())  # what it loads once is compiled now
    return path


@settings(
    max_examples=400, deadline=5000, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, len(SEEDS) - 1), mutations=st.lists(mutation, min_size=1, max_size=4))
def test_a_changed_file_is_read_or_refused(place: Path, seed: int, mutations: list[tuple[str, float, bytes]]) -> None:
    global watching
    content = SEEDS[seed]
    for how, where, what in mutations:
        content = mutated(content, how, where, what)
    place.write_bytes(content)
    watching, said = True, "read"
    try:
        diagnose_file(place, settings=Settings())
    except UnreadableError as error:
        said = str(error)
    finally:
        watching = False
    assert said
    assert not seen


@settings(max_examples=300, deadline=5000, derandomize=True)
@given(head=st.sampled_from([b"\x80\x02", b"\x80\x04", b"}(", b"]("]), body=st.binary(max_size=60))
def test_any_bytes_are_a_pickle_that_does_no_harm(place: Path, head: bytes, body: bytes) -> None:
    place.write_bytes(head + body + b".")
    said = "read"
    try:
        diagnose_file(place, settings=Settings())
    except UnreadableError as error:
        said = str(error)
    assert said


def test_the_seeds_are_healthy(place: Path) -> None:
    for content in SEEDS:
        place.write_bytes(content)
        assert diagnose_file(place, settings=Settings()).ok
