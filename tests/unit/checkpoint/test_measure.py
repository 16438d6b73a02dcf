"""However many threads read a file: the same figures to the last bit, the same refusals, and nothing left behind."""

from __future__ import annotations

import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from spikecheck.checkpoint import measure, streams
from spikecheck.checkpoint.diagnose import Counts, count
from spikecheck.checkpoint.source import BytesSource
from spikecheck.checkpoint.values import Record
from spikecheck.errors import UnreadableError

SMALL_CHUNK = 1 << 12


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ck.pt"


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Small chunks, each storage of some size a load of its own, four processors; and a look at what is left."""
    for module in (measure, streams):
        monkeypatch.setattr(module, "CHUNK", SMALL_CHUNK)
    monkeypatch.setattr(measure, "LOAD", SMALL_CHUNK)
    monkeypatch.setattr(measure, "processors", lambda: 4)
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
        monkeypatch.setattr(measure, "processors", lambda threads=threads: threads)
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


def test_a_file_cut_short_while_it_is_read_is_refused(path: Path) -> None:
    torch.save({"fc.weight": torch.rand(64, 1000)}, path)
    told: list[int] = []

    def cut(done: int, size: int) -> None:
        if not told:
            with path.open("r+b") as file:
                file.truncate(100_000)
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


def record(name: str, size: int) -> Record:
    return Record(name, BytesSource(bytes(size)), 0, size)


def test_small_records_are_one_load_and_so_are_those_that_are_copied() -> None:
    sizes = {"a": 10, "b": SMALL_CHUNK - 10, "copied": SMALL_CHUNK, "large": 3 * SMALL_CHUNK, "also copied": 5, "c": 1}
    records = [(record(name, size), []) for name, size in sizes.items()]
    copied = {records[2][0], records[4][0]}
    loads = [[one.name for one, _ in load] for load in measure.loads(records, copied)]
    assert loads == [["a", "b"], ["large"], ["c"], ["copied", "also copied"]]


def test_what_comes_next_is_asked_for_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(BytesSource, "expect", lambda self, offset, count: asked.append((offset, count)))
    monkeypatch.setattr(streams, "AHEAD", 3 * SMALL_CHUNK)
    size, read = 10 * SMALL_CHUNK + 1, 0
    for chunk in streams.verified(record("weight", size), SMALL_CHUNK):
        read += len(chunk)
        assert sum(count for _, count in asked) >= min(size, read + 2 * SMALL_CHUNK)
    assert [offset for offset, _ in asked] == [0, 3 * SMALL_CHUNK, 6 * SMALL_CHUNK, 9 * SMALL_CHUNK]
    assert sum(count for _, count in asked) == size
