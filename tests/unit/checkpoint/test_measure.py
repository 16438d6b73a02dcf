"""However many threads read a file: the same figures to the last bit, the same refusals, and nothing left behind."""

from __future__ import annotations

import threading
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spikecheck.checkpoint import measure, pour, streams
from spikecheck.checkpoint.checksum import combined
from spikecheck.checkpoint.diagnose import Counts, count
from spikecheck.checkpoint.pour import PIECE
from spikecheck.checkpoint.source import BytesSource, FileSource
from spikecheck.checkpoint.values import Record
from spikecheck.errors import UnreadableError

SMALL_CHUNK = 1 << 12


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ck.pt"


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Small pieces, four processors; and a look at what is left."""
    for module in (measure, pour):
        monkeypatch.setattr(module, "PIECE", SMALL_CHUNK)
    monkeypatch.setattr(streams, "CHUNK", SMALL_CHUNK)
    monkeypatch.setattr(pour, "processors", lambda: 4)
    before = torch.get_num_threads(), threading.active_count()
    yield
    assert (torch.get_num_threads(), threading.active_count()) == before


def content() -> dict[str, torch.Tensor]:
    """Weights whose rows do and do not fill chunks, in several types, and views of them."""
    torch.manual_seed(0)
    made = {
        "fc1.weight": torch.randn(300, 701),
        "lif1.threshold": torch.tensor(1.0),
        "fc2.weight": torch.randn(200, 512),
        "half": torch.randn(99, 333).to(torch.bfloat16),
        "double": torch.randn(50, 1001, dtype=torch.float64),
        "complex": torch.randn(70, 301, dtype=torch.complex64),
        "wide": torch.randn(3, 70_000),
        "turned": torch.randn(300, 200).t(),
    }
    made["shared"] = made["fc1.weight"][10:200]
    made["fc2.weight"][7] = 0
    made["wide"][1, 60_001] = float("nan")
    return made


def save(content: object, path: Path, form: str) -> None:
    torch.save(content, path, _use_new_zipfile_serialization=form != "legacy")
    if form == "deflated":
        with zipfile.ZipFile(path) as file:
            records = {info.filename: file.read(info) for info in file.infolist()}
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for name, raw in records.items():
                file.writestr(name, raw)


def figures(counts: Counts) -> dict[str, str]:
    found = {}
    for name, ref in counts.checkpoint.content.tensors.items():
        stats = counts.counted[ref]
        rows = None if stats.rows is None else (stats.rows.largest.tolist(), stats.rows.positive.tolist())
        found[name] = repr((stats.summarise("weight"), rows))
    return found


@pytest.mark.parametrize("form", ["zip", "legacy", "deflated"])
def test_threads_change_no_figure(form: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(content(), path, form)
    said = []
    for threads in (1, 2, 5):
        monkeypatch.setattr(pour, "processors", lambda threads=threads: threads)
        said.append(figures(count(path)))
    assert said[0] == said[1] == said[2]


@pytest.mark.parametrize("form", ["zip", "legacy", "deflated"])
def test_the_figures_are_those_of_the_tensors(form: str, path: Path) -> None:
    save(content(), path, form)
    counts = count(path)
    for name, tensor in content().items():
        said = counts.counted[counts.checkpoint.content.tensors[name]].summarise("weight")
        parts = torch.view_as_real(tensor) if tensor.is_complex() else tensor
        finite = parts[torch.isfinite(parts)].double()
        assert said.shape == tuple(tensor.shape)
        assert (said.minimum, said.maximum) == (float(finite.min()), float(finite.max()))
        assert said.rms == pytest.approx(float(finite.square().mean().sqrt()), rel=1e-5)
        assert said.nan == int(torch.isnan(parts).sum())
        if tensor.dim() > 1:
            assert (said.rows, said.zero_rows) == (len(tensor), int(name == "fc2.weight"))


def test_a_byte_that_changed_is_seen_in_every_chunk(path: Path) -> None:
    torch.save({"fc.weight": torch.rand(64, 1000)}, path)
    whole = path.read_bytes()
    begin = whole.index(torch.load(path)["fc.weight"].numpy().tobytes())
    for at in range(begin, begin + 64 * 4000, 3 * SMALL_CHUNK + 1):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(UnreadableError, match="corrupt: storage 'data/0' does not fit its checksum"):
            count(path)


def test_of_several_damaged_storages_the_first_is_named(path: Path) -> None:
    torch.save({str(i): torch.rand(100, 1000 if i == 2 else 100) for i in range(9)}, path)
    raw = bytearray(path.read_bytes())
    for key in (2, 3, 7):
        raw[raw.index(f"data/{key}".encode()) + 1000] ^= 1
    path.write_bytes(raw)
    for _ in range(10):
        with pytest.raises(UnreadableError, match="storage 'data/2' does not fit"):
            count(path)


@pytest.mark.parametrize("pieces", [0.5, 20, 20.0002, 20.3])
def test_a_file_cut_short_while_it_is_read_is_refused(pieces: float, path: Path) -> None:
    torch.save({"fc.weight": torch.rand(64, 1024)}, path)
    begin = path.read_bytes().index(torch.load(path)["fc.weight"].numpy().tobytes())
    told: list[int] = []

    def cut(done: int, size: int) -> None:
        if not told:
            with path.open("r+b") as file:
                file.truncate(begin + int(pieces * SMALL_CHUNK))
        told.append(done)

    with pytest.raises(UnreadableError, match="cut short: storage 'data/0' has"):
        count(path, advance=cut)
    assert told


def test_every_byte_of_the_storages_is_told_of_by_one_thread_at_a_time(path: Path) -> None:
    busy, told = threading.Lock(), []

    def tell(done: int, size: int) -> None:
        assert busy.acquire(blocking=False)
        told.append(done)
        busy.release()

    torch.save({"a": torch.rand(100, 3000), "b": torch.rand(100, 3000), "c": torch.rand(7)}, path)
    count(path, advance=tell)
    assert sum(told) == 4 * (2 * 100 * 3000 + 7)


def test_an_error_of_the_caller_stops_all_threads(path: Path) -> None:
    told: list[int] = []

    def give_up(done: int, size: int) -> None:
        told.append(done)
        raise InterruptedError("enough")

    torch.save({str(i): torch.rand(100, 1000) for i in range(8)}, path)
    with pytest.raises(InterruptedError, match="enough"):
        count(path, advance=give_up)
    assert len(told) < 8 * 100


class Notes:
    """Takes down which bytes it is shown, and when."""

    def __init__(self, start: int, end: int) -> None:
        self.start, self.end = start, end
        self.seen: list[tuple[int, int]] = []

    def look(self, at: int, chunk: memoryview) -> bytes:
        return bytes(chunk)

    def take(self, at: int, chunk: memoryview, seen: object) -> None:
        assert seen == bytes(chunk)
        self.seen.append((at, len(chunk)))


def test_every_part_is_shown_the_chunks_that_hold_its_bytes_in_order() -> None:
    size = 5 * SMALL_CHUNK + 17
    parts = [Notes(0, size), Notes(SMALL_CHUNK - 1, SMALL_CHUNK + 1), Notes(3 * SMALL_CHUNK, 3 * SMALL_CHUNK)]
    small = [Notes(0, 10) for _ in range(300)]
    flows = [
        pour.Flow(record("large", size), parts, SMALL_CHUNK),
        *(pour.Flow(record("small", 10), [part], 10) for part in small),
    ]
    told: list[int] = []
    pour.pour(flows, told.append)
    starts = range(0, size, SMALL_CHUNK)
    assert parts[0].seen == [(at, min(SMALL_CHUNK, size - at)) for at in starts]
    assert parts[1].seen == [(0, SMALL_CHUNK), (SMALL_CHUNK, SMALL_CHUNK)]
    assert parts[2].seen == []
    assert all(part.seen == [(0, 10)] for part in small)
    assert sum(told) == size + 3000


def test_a_record_that_cannot_be_unpacked_waits_for_its_turn() -> None:
    wrong = Record("wrong", BytesSource(bytes(10)), 0, 10, crc=1)
    packed = Record("packed", BytesSource(b"no deflated bytes"), 0, 1000, packed=17)
    for records, first in ([wrong, packed], "wrong"), ([packed, wrong], "packed"):
        with pytest.raises(UnreadableError, match=f"storage '{first}'"):
            pour.pour([pour.Flow(record, [], SMALL_CHUNK) for record in records], lambda count: None)


def test_a_file_is_read_from_its_beginning_to_its_end(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places: list[int] = []
    readinto = FileSource.readinto
    torch.save(content(), path)
    with zipfile.ZipFile(path) as file:
        first = min(info.header_offset for info in file.infolist() if "/data/" in info.filename)

    def noted(self: FileSource, offset: int, buffer: memoryview) -> int:
        places.append(offset)
        return readinto(self, offset, buffer)

    monkeypatch.setattr(FileSource, "readinto", noted)
    count(path)
    poured = places[len(places) - [*reversed(places)].index(min(at for at in places if at > first)) - 1 :]
    assert len(poured) > 50
    assert poured == sorted(poured)


@given(st.binary(max_size=300), st.integers(0, 300))
def test_checksums_of_two_pieces_make_that_of_both(whole: bytes, cut: int) -> None:
    first, second = whole[:cut], whole[cut:]
    assert combined(zlib.crc32(first), zlib.crc32(second), len(second)) == zlib.crc32(whole)


@pytest.mark.parametrize("length", [0, 1, PIECE, 5 * 10**8])
def test_zeros_of_any_number_may_follow(length: int) -> None:
    checksum, zeros = zlib.crc32(b"spikes"), bytes(1 << 20)
    for at in range(0, length, len(zeros)):
        checksum = zlib.crc32(zeros[: length - at], checksum)
    alone = 0
    for at in range(0, length, len(zeros)):
        alone = zlib.crc32(zeros[: length - at], alone)
    assert combined(zlib.crc32(b"spikes"), alone, length) == checksum


def record(name: str, size: int) -> Record:
    return Record(name, BytesSource(bytes(size)), 0, size)
