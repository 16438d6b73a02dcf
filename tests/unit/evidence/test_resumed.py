"""A resumed run knows its first half; reports travel between processes."""

from __future__ import annotations

import json
import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import torch

import spikecheck
from spikecheck.checkpoint.diagnose import diagnose_file
from spikecheck.errors import SpikecheckError
from spikecheck.evidence.evidence import MAX_EARLIER, Evidence
from spikecheck.finding import Finding
from spikecheck.plugin import OptimizerPoint, TimelinePoint
from spikecheck.runlog.reader import read_log
from spikecheck.settings import Settings
from spikecheck.timelines import MAX_POINTS, joined_points
from tests.promises.networks import Run, by_hand


def trained(updates: int, state: dict[str, Any] | None = None, threshold: float = 0.3, **options: Any) -> Any:
    torch.manual_seed(0)
    run = Run(by_hand())
    run.model.lif.threshold = threshold  # type: ignore[assignment, union-attr]
    with spikecheck.attach(run.model, on_finding=options.pop("on_finding", print_nothing), **options) as monitor:
        if state is not None:
            monitor.load_state_dict(state)
        run.train(updates)
    return monitor


def print_nothing(finding: Finding) -> None:
    """Be told of findings, and do nothing."""


@pytest.fixture(scope="module")
def first_half() -> Any:
    return trained(70, threshold=50.0)


def test_the_report_speaks_for_both_halves(first_half: Any) -> None:
    report = trained(30, first_half.state_dict()).report()
    alone = trained(30).report()
    assert (report.updates, report.observed_updates) == (100, 100)
    (row,), (before,) = report.layers, first_half.report().layers
    assert row.timeline is not None
    assert row.timeline.points[0].mean == 0
    assert sum(point.passes for point in row.timeline.points) == 100
    assert row.rate_now is not None
    assert row.rate_now > 0
    assert row.first == before.first
    assert report.losses[0].loss.updates == 100
    assert report.losses[0].loss.first == first_half.report().losses[0].loss.first
    assert report.losses[0].loss.trace[-1] == (99, alone.losses[0].loss.trace[-1][1])
    silent = [finding for finding in report.history if finding.check in ("SPK203", "SPK205")]
    assert silent
    assert all(finding.intervals[-1].last <= 70 for finding in silent)
    assert {finding.key for finding in report.findings} == {finding.key for finding in alone.findings}


def test_what_held_before_and_holds_now_keeps_its_date(first_half: Any) -> None:
    findings: list[Finding] = []
    report = trained(30, first_half.state_dict(), threshold=50.0, on_finding=findings.append).report()
    root = report.root_causes[0].finding
    assert root.check in {finding.check for finding in first_half.report().findings}
    assert root.when.update == 0
    assert len(root.intervals) == 1
    assert root.intervals[0].last > 70
    assert all(finding.when.update >= 70 for finding in findings), "updates are counted on"


def test_it_can_be_resumed_again_and_the_state_stays_small(first_half: Any, tmp_path: Path) -> None:
    state, sizes = first_half.state_dict(), []
    for _ in range(3):
        state = trained(2, state).state_dict()
        sizes.append(len(state["content"]))
    assert Evidence.from_state_dict(state).updates == 76
    evidence = Evidence.from_state_dict(state)
    for _ in range(2 * MAX_EARLIER):
        evidence = Evidence(evidence.observations, earlier=evidence.parts(), first_update=evidence.updates)
    assert len(evidence.earlier) == MAX_EARLIER
    assert evidence.earlier[0].first_update == 0
    torch.save({"model": {}, "spikecheck": state}, tmp_path / "c.pt")
    assert diagnose_file(tmp_path / "c.pt", settings=Settings()).updates == 76


def test_the_log_of_a_resumed_run_counts_on(first_half: Any, tmp_path: Path) -> None:
    monitor = trained(5, first_half.state_dict(), log=tmp_path / "run.jsonl")
    (logged,) = read_log(tmp_path / "run.jsonl")
    assert (logged.start["first_update"], logged.update) == (70, 75)
    assert logged.points[0]["since"] == 70
    assert logged.report(Settings()).updates == monitor.report().updates == 75


@pytest.mark.parametrize("state", [{}, {"version": 99, "content": "{}"}, {"version": 1, "content": "{"}])
def test_a_state_that_cannot_be_used_is_refused(state: dict[str, Any]) -> None:
    monitor = spikecheck.attach(by_hand())
    with pytest.raises(SpikecheckError):
        monitor.load_state_dict(state)
    monitor.detach()


def test_a_part_cannot_claim_parts_of_its_own(first_half: Any) -> None:
    content = first_half.evidence().content()
    nested = {**content, "resumed": [{**content, "resumed": [content]}]}
    state = {**first_half.state_dict(), "content": json.dumps(nested)}
    assert Evidence.from_state_dict(state).earlier[0].earlier == ()
    with pytest.raises(SpikecheckError, match="at most"):
        Evidence.from_state_dict({**state, "content": json.dumps({**content, "resumed": [content] * 9})})


@pytest.mark.parametrize("latest", [3, 63, 64, 1000])
def test_points_of_several_parts_are_as_many_as_those_of_one(latest: int) -> None:
    points = [OptimizerPoint(at, at, 1, float(at), float(at), None, 1.0, 0.1) for at in range(latest + 1)]
    joined = joined_points(points)
    assert len(joined) <= MAX_POINTS
    assert sum(point.passes for point in joined) == latest + 1
    assert max(point.maximum or 0 for point in joined) == latest
    mean = sum((point.mean or 0) * point.passes for point in joined) / (latest + 1)
    assert mean == pytest.approx(latest / 2)
    assert all(point.learning_rate == pytest.approx(0.1) for point in joined)
    assert joined_points(()) == ()
    assert joined_points([TimelinePoint(0, 0, 1, None)])[0].mean is None


def report_of_a_trial(threshold: float) -> spikecheck.Report:
    return trained(3, threshold=threshold).report()  # type: ignore[no-any-return]


def test_a_worker_of_a_sweep_returns_its_report(first_half: Any) -> None:
    report = first_half.report()
    again = pickle.loads(pickle.dumps(report))
    assert again.to_json() == report.to_json()
    assert str(again) == str(report)
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
        (sent,) = pool.map(report_of_a_trial, [0.3])
    assert sent.updates == 3
