"""Scanning a file: the statistics of its tensors, refused damage, every byte read once and in order."""

from __future__ import annotations

import random
import zipfile
import zlib
from pathlib import Path

import pytest
import torch

from spikecheck.checkpoint import record_reader, scan
from spikecheck.checkpoint.diagnose import scan_file
from spikecheck.checkpoint.record_reader import RecordReader, read_record
from spikecheck.checkpoint.source import BytesSource, FileSource
from spikecheck.checkpoint.values import Record
from spikecheck.errors import UnreadableError
from spikecheck.stats.stored import StoredStats

SMALL_CHUNK = 1 << 12


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ck.pt"


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (record_reader, scan):
        monkeypatch.setattr(module, "CHUNK", SMALL_CHUNK)


def content() -> dict[str, torch.Tensor]:
    """Return weights whose rows do and do not fill chunks, in several types, and views of them."""
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


@pytest.mark.parametrize("form", ["zip", "legacy", "deflated"])
def test_the_figures_are_those_of_the_tensors(form: str, path: Path) -> None:
    save(content(), path, form)
    scanned = scan_file(path)
    for name, tensor in content().items():
        reading = scanned.statistics[scanned.checkpoint.content.tensors[name]].summarize("weight")
        parts = torch.view_as_real(tensor) if tensor.is_complex() else tensor
        finite = parts[torch.isfinite(parts)].double()
        assert reading.shape == tuple(tensor.shape)
        assert (reading.minimum, reading.maximum) == (float(finite.min()), float(finite.max()))
        assert reading.rms == pytest.approx(float(finite.square().mean().sqrt()), rel=1e-5)
        assert reading.nan == int(torch.isnan(parts).sum())
        if tensor.dim() > 1:
            assert (reading.rows, reading.zero_rows) == (len(tensor), int(name == "fc2.weight"))


def test_a_byte_that_changed_is_seen_in_every_chunk(path: Path) -> None:
    torch.save({"fc.weight": torch.rand(64, 1000)}, path)
    whole = path.read_bytes()
    begin = whole.index(torch.load(path)["fc.weight"].numpy().tobytes())
    for at in range(begin, begin + 64 * 4000, 3 * SMALL_CHUNK + 1):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(UnreadableError, match="corrupt: storage 'data/0' does not match its checksum"):
            scan_file(path)


def test_of_several_damaged_storages_the_first_is_named(path: Path) -> None:
    torch.save({str(i): torch.rand(100, 1000 if i == 2 else 100) for i in range(9)}, path)
    raw = bytearray(path.read_bytes())
    for key in (2, 3, 7):
        raw[raw.index(f"data/{key}".encode()) + 1000] ^= 1
    path.write_bytes(raw)
    for _ in range(10):
        with pytest.raises(UnreadableError, match="storage 'data/2' does not match"):
            scan_file(path)


@pytest.mark.parametrize("chunks", [0.5, 20, 20.0002, 20.3])
def test_a_file_cut_short_while_it_is_read_is_refused(chunks: float, path: Path) -> None:
    torch.save({"fc.weight": torch.rand(64, 1024)}, path)
    begin = path.read_bytes().index(torch.load(path)["fc.weight"].numpy().tobytes())
    progress: list[int] = []

    def cut(done: int, size: int) -> None:
        if not progress:
            with path.open("r+b") as file:
                file.truncate(begin + int(chunks * SMALL_CHUNK))
        progress.append(done)

    with pytest.raises(UnreadableError, match="truncated: storage 'data/0' has"):
        scan_file(path, advance=cut)
    assert progress


@pytest.mark.parametrize("form", ["zip", "legacy", "deflated"])
def test_progress_counts_every_byte_of_the_storages(form: str, path: Path) -> None:
    counts: list[int] = []
    save({"a": torch.rand(100, 3000), "b": torch.rand(100, 3000), "c": torch.rand(7)}, path, form)
    scan_file(path, advance=lambda done, size: counts.append(done))
    assert sum(counts) == 4 * (2 * 100 * 3000 + 7)


def test_an_exception_in_the_progress_callback_reaches_the_caller(path: Path) -> None:
    def interrupt(done: int, size: int) -> None:
        raise InterruptedError("stopped")

    before = torch.get_num_threads()
    torch.save({str(i): torch.rand(100, 1000) for i in range(8)}, path)
    with pytest.raises(InterruptedError, match="stopped"):
        scan_file(path, advance=interrupt)
    assert torch.get_num_threads() == before


def test_the_number_of_torch_threads_changes_no_figure(path: Path) -> None:
    torch.save({"fc.weight": torch.rand(3000, 1000)}, path)
    before = torch.get_num_threads()
    figures = []
    try:
        for threads in (1, 4):
            torch.set_num_threads(threads)
            figures.append([stats.summarize("weight") for stats in scan_file(path).statistics.values()])
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert figures[0] == figures[1]


class NotingView(scan.View):
    """A view that takes down which chunks it is given."""

    def __init__(self, start: int, end: int) -> None:
        super().__init__(start, end, torch.uint8, StoredStats((), "uint8", rows=False))
        self.chunks: list[tuple[int, int]] = []

    def accumulate(self, offset: int, chunk: memoryview) -> None:
        self.chunks.append((offset, len(chunk)))


def test_every_view_gets_the_chunks_that_it_covers_in_order() -> None:
    size = 5 * SMALL_CHUNK + 17
    empty = NotingView(3 * SMALL_CHUNK, 3 * SMALL_CHUNK)
    views = [NotingView(SMALL_CHUNK - 1, SMALL_CHUNK + 1), NotingView(0, size), empty]
    counts: list[int] = []
    scan.scan_record(Record("large", BytesSource(bytes(size)), 0, size), views, counts.append)
    assert views[0].chunks == [(0, SMALL_CHUNK), (SMALL_CHUNK, SMALL_CHUNK)]
    assert views[1].chunks == [(at, min(SMALL_CHUNK, size - at)) for at in range(0, size, SMALL_CHUNK)]
    assert empty.chunks == []
    assert sum(counts) == size


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
    scan_file(path)
    scanned = places[len(places) - [*reversed(places)].index(min(at for at in places if at > first)) - 1 :]
    assert len(scanned) > 50
    assert scanned == sorted(scanned)


def deflate(content: bytes) -> bytes:
    """Return the bytes of a raw deflate stream; `zlib.compress` takes `wbits` from Python 3.11 on."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


def deflated(content: bytes, *, announced: int | None = None, packed: bytes | None = None) -> Record:
    """Return a deflated record of this content."""
    raw = deflate(content) if packed is None else packed
    size = len(content) if announced is None else announced
    return Record("packed", BytesSource(raw), 0, size, packed=len(raw), crc=zlib.crc32(content))


@pytest.mark.parametrize("pattern", ["zeros", "random", "repeated"])
def test_a_deflated_record_just_above_a_chunk_is_read(pattern: str) -> None:
    for extra in (*range(0, 700, 4), SMALL_CHUNK - 1, SMALL_CHUNK):
        size = SMALL_CHUNK + extra
        content = {
            "zeros": bytes(size),
            "random": random.Random(extra).randbytes(size),
            "repeated": (b"spikes" * size)[:size],
        }[pattern]
        assert read_record(deflated(content)) == content


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (deflated(bytes(9000), announced=8000), "unpacks to more than the 8,000 bytes announced"),
        (deflated(bytes(9000), announced=9001), "truncated: storage 'packed' has 9,000 of 9,001 bytes"),
        (deflated(bytes(9000), packed=b"no deflated bytes"), "cannot be unpacked"),
        (deflated(bytes(9000), packed=deflate(bytes(9000))[:-3]), "truncated: storage 'packed' has"),
    ],
)
def test_a_damaged_deflated_record_is_refused(record: Record, reason: str) -> None:
    with pytest.raises(UnreadableError, match=reason):
        read_record(record)


def test_a_bomb_is_never_unpacked_by_more_than_a_chunk() -> None:
    record = deflated(bytes(1 << 24), announced=1 << 24)
    assert {len(chunk) for chunk in RecordReader(record)} == {SMALL_CHUNK}
