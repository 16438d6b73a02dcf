"""One report speaks for a run of several processes."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, distributed
from torch.nn import functional as F

import spikecheck
from spikecheck.errors import SpikecheckError
from spikecheck.report.model import Report
from spikecheck.runlog.ranks import reports_in
from spikecheck.settings import Settings
from tests.full import every_time
from tests.promises.ranks import UPDATES, batch, in_ranks, net, train, watched

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the ranks of these tests are forked")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPIKECHECK_RANKS", str(tmp_path / "ranks"))
    return tmp_path


@pytest.fixture(autouse=True, scope="module")
def warm() -> None:
    """Import here, once, what every forked process would import."""
    with spikecheck.attach(net(), on_finding=lambda finding: None) as monitor:
        train(monitor.model, 0)
    monitor.report()


def alone(size: int) -> Report:
    """Train in one process on the data of all ranks: each update has one forward pass per rank."""
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with spikecheck.attach(model, on_finding=lambda finding: None) as monitor:
        for update in range(UPDATES):
            optimizer.zero_grad()
            for rank in range(size):
                x, y = batch(rank, update)
                (F.cross_entropy(model(x), y) / size).backward()
            optimizer.step()
    return monitor.report()


@pytest.mark.parametrize("size", every_time([2, 4], always=[2]))
def test_the_counts_are_those_of_one_process_that_saw_all_data(size: int, folder: Path) -> None:
    reports = [report for report, _ in in_ranks(size, folder, watched)]
    one = alone(size)
    for report in reports:
        (layer,), (expected,) = report.layers, one.layers
        assert layer.timeline is not None
        assert expected.timeline is not None
        assert layer.name == expected.name
        assert [(p.update, p.passes, p.mean, p.maximum, p.silent) for p in layer.timeline.points] == [
            pytest.approx((p.update, p.passes, p.mean, p.maximum, p.silent)) for p in expected.timeline.points
        ]
        assert report.updates == one.updates == UPDATES
        assert [row.rank for row in report.ranks] == list(range(size))
        assert not report.findings, report
        assert report.losses[0].loss.updates == UPDATES


def nan_on_one_rank(rank: int, update: int, x: Tensor) -> Tensor:
    return x.index_fill(1, torch.tensor([0]), float("nan")) if (rank, update) == (1, 12) else x


def empty_on_one_rank(rank: int, update: int, x: Tensor) -> Tensor:
    return torch.zeros_like(x) if rank == 1 else x


@pytest.mark.parametrize(
    ("change", "check"),
    [(empty_on_one_rank, "SPK102"), pytest.param(nan_on_one_rank, "SPK405", marks=pytest.mark.full)],
)
def test_what_is_wrong_on_one_rank_is_the_root_cause_everywhere(change: Any, check: str, folder: Path) -> None:
    results = in_ranks(2, folder, lambda rank: watched(rank, change))
    for report, _ in results:
        cause = report.root_causes[0].finding
        assert (cause.check, cause.site.name) == (check, "input"), report
        assert cause.message.startswith("on rank 1 of 2: ")
    assert not results[1][1]  # rank 0 warns
    assert not any("surrogate" in text for text in results[0][1])  # gradients are averages: nothing of rank 0 made it
    if change is empty_on_one_rank:  # known from the first forward pass on
        assert results[0][1][0].startswith("on rank 1 of 2: SPK102")


def recorded(rank: int, folder: Path, error_on: int | None = None) -> Report:
    """Train with a log and a page; on one rank, an error ends the run, after the others are through."""
    model = net()
    files = {"log": folder / "run.jsonl", "report": folder / "report.html"}
    with contextlib.suppress(ValueError), spikecheck.attach(model, on_finding=lambda finding: None, **files) as monitor:
        train(model, rank, empty_on_one_rank)
        if rank == error_on:
            distributed.barrier()
            raise ValueError("boom")
    if error_on not in (None, rank):
        distributed.barrier()
    return monitor.report()


def test_each_rank_has_a_log_and_the_run_has_one_page(folder: Path) -> None:
    report, _ = in_ranks(2, folder, lambda rank: recorded(rank, folder))
    logs = [folder / "run.jsonl", folder / "run.rank1.jsonl"]
    assert {path.name for path in folder.iterdir()} >= {"report.html", *(log.name for log in logs)}
    assert not (folder / "report.rank1.html").exists()
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "on rank 1 of 2: input is empty" in page
    assert '<th scope="col">rank</th>' in page
    for passed in (logs[:1], logs, logs[::-1]):  # the log of rank 0 speaks for all
        ((_, logged),) = reports_in(passed, Settings())
        assert [one.message for one in logged.findings] == [one.message for one in report.findings]
        assert logged.ranks == report.ranks
        assert logged.layers[0].spikes == report.layers[0].spikes


def test_the_logs_of_ranks_that_were_killed_give_one_report(folder: Path) -> None:
    in_ranks(2, folder, lambda rank: recorded(rank, folder))
    logs = [folder / "run.jsonl", folder / "run.rank1.jsonl"]
    for log in logs:
        lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
        final = max(number for number, line in enumerate(lines) if '"line":"state"' in line)
        log.write_text("".join(lines[:final]), encoding="utf-8")
    ((_, report),) = reports_in(logs, Settings())
    assert report.root_causes[0].finding.message.startswith("on rank 1 of 2: ")
    assert [row.rank for row in report.ranks] == [0, 1]
    assert any("the numbers are those on rank 0 of 2 alone" in one.text for one in report.unseen)
    ((_, alone),) = reports_in(logs[:1], Settings())
    assert not alone.root_causes
    assert any("on rank 1 of 2: no log was passed" in one.text for one in alone.unseen)
    with pytest.raises(SpikecheckError, match="two logs are of rank 0"):
        reports_in([logs[0], logs[0]], Settings())


@pytest.mark.full
def test_a_run_of_very_many_ranks_ends_without_reading_them(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spikecheck.ranks.join.MAX_AT_END", 1)
    report, _ = in_ranks(2, folder, lambda rank: recorded(rank, folder))
    assert len(report.ranks) == 2
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "the numbers are those on rank 0 of 2 alone" in page


def test_a_rank_that_an_error_ends_writes_a_page_of_its_own(folder: Path) -> None:
    in_ranks(2, folder, lambda rank: recorded(rank, folder, error_on=1))
    assert "on rank 1 of 2: input is empty" in (folder / "report.rank1.html").read_text(encoding="utf-8")


def test_the_last_rank_that_exits_removes_the_files(folder: Path) -> None:
    def work(rank: int) -> bool:
        spikecheck.attach(model := net())
        train(model, rank)
        return (folder / "ranks").exists()

    assert in_ranks(2, folder, work) == [True, True]
    assert not (folder / "ranks").exists()


def test_a_rank_that_is_killed_leaves_the_files_of_all(folder: Path) -> None:
    def work(rank: int) -> None:
        monitor = spikecheck.attach(model := net())
        train(model, rank)
        monitor.detach()
        distributed.barrier()
        if rank == 1:
            os._exit(3)

    in_ranks(2, folder, work)
    assert len(list((folder / "ranks").glob("*.state"))) == 2


@pytest.mark.parametrize("size", every_time([2, 4], always=[2]))
def test_the_end_waits_for_nobody_who_died(size: int, folder: Path) -> None:
    def work(rank: int) -> float:
        monitor = spikecheck.attach(model := net())
        if rank == size - 1:
            os._exit(3)
        with contextlib.suppress(RuntimeError):
            train(model, rank)
        began = time.monotonic()
        monitor.report()
        made = time.monotonic()
        monitor.detach()
        return time.monotonic() - made if rank == 0 else made - began

    *seconds, nothing = in_ranks(size, folder, work)
    assert nothing is None
    assert all(one < 30 for one in seconds)  # it takes up to two; a rank that waits never returns


def test_the_dead_are_not_waited_for(folder: Path) -> None:
    def work(rank: int) -> Report:
        monitor = spikecheck.attach(model := net())
        if rank == 1:
            os._exit(3)
        with contextlib.suppress(RuntimeError):  # the other end of the connection is closed
            train(model, rank)
        return monitor.report()

    report, nothing = in_ranks(2, folder, work)
    assert nothing is None
    assert report.forward_passes == 1
    assert any("on rank 1 of 2: nothing was received" in one.text for one in report.unseen)


def test_what_a_forked_process_trains_is_said_to_be_no_part_of_the_report() -> None:
    model = net()
    monitor = spikecheck.attach(model)
    child = multiprocessing.get_context("fork").Process(target=train, args=(model, 0))
    child.start()
    child.join(60)
    report = monitor.report()
    monitor.detach()
    assert not report.ok
    assert any(f"other processes: {UPDATES} updates were made by processes forked" in one.text for one in report.unseen)


@pytest.mark.full
def test_attaching_before_or_after_wrapping_gives_the_same_report(folder: Path) -> None:
    (folder / "2").mkdir()
    after = in_ranks(2, folder, lambda rank: watched(rank, wrap="then"))[0][0]
    before = in_ranks(2, folder / "2", lambda rank: watched(rank, wrap="first"))[0][0]
    assert before.model == after.model == "Net"
    assert [row.name for row in before.layers] == [row.name for row in after.layers] == ["lif"]
    assert [row.name for row in before.weights] == [row.name for row in after.weights]
    assert [v.outcome for v in before.verdicts] == [v.outcome for v in after.verdicts]


@pytest.mark.parametrize("attached", every_time(["before", "after"], always=["before"]))
def test_sharding_frees_memory_that_is_not_looked_at(attached: str, folder: Path) -> None:
    def work(rank: int) -> tuple[bool, Report]:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        model, mesh = net(), init_device_mesh("cpu", (1,))
        monitor = spikecheck.attach(model) if attached == "before" else None
        for part in (model.fc1, model.fc2, model):
            fully_shard(part, mesh=mesh)
        monitor = spikecheck.attach(model) if monitor is None else monitor
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        for update in range(UPDATES):
            x, y = batch(rank, update)
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
        return monitor.watching, monitor.report()

    ((watching, report),) = in_ranks(1, folder, work)
    assert watching
    assert report.updates == UPDATES
    assert not report.weights, "as they were before they were sharded"
    assert any("spread over processes" in one.text for one in report.unseen)
    assert report.model == "Net"
    assert not report.findings, report
