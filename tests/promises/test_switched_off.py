"""With SPIKECHECK=off, attach is a no-op that a script does not notice; and a report on one phase of a run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import spikecheck
from spikecheck.errors import SpikecheckError
from spikecheck.probe.watchers import watchers
from tests.promises.networks import Run, assert_same, by_hand


@pytest.mark.parametrize("value", ["off", "OFF", "0"])
def test_attach_does_nothing_and_the_monitor_behaves(
    value: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    bare = Run(by_hand()).train(3).weights()
    monkeypatch.setenv("SPIKECHECK", value)
    torch.manual_seed(0)
    run = Run(by_hand())
    files = {"log": tmp_path / "no folder" / "run.jsonl", "report": tmp_path / "r.html"}
    with spikecheck.attach(run.model, on_finding="raise", **files) as monitor:  # type: ignore[arg-type]
        assert watchers.all() == []
        assert not run.model._forward_hooks
        spikecheck.tap("layer", torch.ones(2, 3))
        run.train(3)
    assert_same(run.weights(), bare)
    assert not monitor.watching
    report = monitor.report()
    assert report.missing == ("no forward pass",)
    assert "nothing was watched: SPIKECHECK is set to off in the environment" in str(report)
    assert "switched off" in repr(monitor)
    monitor.load_state_dict(monitor.state_dict())
    monitor.detach()
    assert list(tmp_path.iterdir()) == []


def test_another_value_is_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPIKECHECK", "on")
    with spikecheck.attach(by_hand()) as monitor:
        assert monitor.watching


def test_a_report_on_one_phase() -> None:
    run = Run(by_hand())
    run.model.lif.threshold = 50.0  # type: ignore[assignment, union-attr]
    with spikecheck.attach(run.model, on_finding=lambda finding: None) as monitor:
        run.train(20)
        run.model.lif.threshold = 0.3  # type: ignore[assignment, union-attr]
        run.train(50)
    whole, phase = monitor.report(), monitor.report(since=40)
    (before,), (after,) = whole.layers, phase.layers
    assert before.timeline is not None
    assert after.timeline is not None
    assert before.timeline.points[0].mean == 0
    assert after.timeline.points[0].mean
    assert after.timeline.points[0].last_update >= 40
    assert phase.losses[0].loss.first == dict(whole.losses[0].loss.trace)[40]
    assert whole.history
    assert all(finding.intervals[0].first >= 40 for finding in phase.history)
    assert len(phase.history) < len(whole.history)
    assert [f.key for f in phase.findings] == [f.key for f in whole.findings]
    assert phase.headline.startswith("spikecheck · updates 40 to 70 ·")
    assert phase.to_dict()["since"] == 40
    assert str(phase)


@pytest.mark.parametrize("since", [-1, 5, 1.5])
def test_an_update_that_the_run_has_not_come_to_is_refused(since: int) -> None:
    run = Run(by_hand())
    with spikecheck.attach(run.model) as monitor:
        run.train(2)
    with pytest.raises(SpikecheckError, match="since= takes"):
        monitor.report(since=since)
