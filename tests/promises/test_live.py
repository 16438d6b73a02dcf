"""What is reported while training goes on: once, at the update where it happened, as the script asked for it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import spikecheck
from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.judge import Judge
from spikecheck.checks.spk213_reused_graph import ReusedGraph
from spikecheck.errors import FindingError, SpikecheckWarning
from spikecheck.finding import Expected, Finding, FindingState, Interval, Observed, Severity
from spikecheck.monitor import Monitor
from spikecheck.probe.schedule import Schedule
from spikecheck.readings import ParameterReading, SpikeReading
from spikecheck.site import Site, SiteKind
from tests.promises.networks import Run, assert_same, batch, by_hand


class Loud(Check):
    """A layer fires at all.

    ## Fix
    ```python any
    layer.threshold = 9
    ```
    """

    id, slug, severity, since = "SPK299", "loud", Severity.WARNING, "0"
    sites, needs = SiteKind.SPIKES, (SpikeReading,)
    message = "{site} fired {count} times"

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        if count := readings[SpikeReading].count:
            yield self.finding(site, observed=Observed("{count} spikes", count=count), expected=Expected("silence"))


class Passing(Loud):
    """As `Loud`, of what training may mend.

    ## Fix
    """

    self_resolving = True


class Huge(Check):
    """A weight has become large.

    ## Fix
    """

    id, slug, severity, since = "SPK499", "huge", Severity.ERROR, "0"
    sites, needs = SiteKind.PARAMETER, (ParameterReading,)
    message = "{site} is huge"
    most: float = limit(50.0, why="made up")

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        if (top := readings[ParameterReading].rms) > 50:
            yield self.finding(site, observed=Observed("{top}", top=top), expected=Expected("less"))


def attach(model: nn.Module, on_finding: Any, *checks: Check) -> Monitor:
    """A monitor with made-up checks, so that what is reported does not hang on any real limit."""
    schedule = Schedule(always=on_finding == "raise")
    return Monitor(model, Judge(checks or (Loud(),)), schedule, on_finding, spikes=["lif"])


def noise(model: nn.Module, scale: float) -> None:
    """Weights with which every neuron fires, or none."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(scale)


def test_one_warning_the_first_time_and_none_the_second() -> None:
    run = Run(by_hand())
    noise(run.model, 1.0)
    monitor = attach(run.model, "warn")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")  # Python's own filter would hide a repetition
        run.train(40)
    monitor.detach()
    ours = [w for w in caught if issubclass(w.category, SpikecheckWarning)]
    assert len(ours) == 1
    text = str(ours[0].message)
    assert "SPK299 loud: lif fired" in text
    assert "spikes" in text
    assert "expected: silence" in text
    assert text.endswith("\n  fix:\nmodel.lif.threshold = 9")


def test_a_note_is_not_warned_about() -> None:
    class Quiet(Loud):
        """As `Loud`.

        ## Fix
        """

        severity = Severity.NOTE

    run = Run(by_hand())
    noise(run.model, 1.0)
    monitor = attach(run.model, "warn", Quiet())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run.train(3)
    assert monitor.report().findings
    monitor.detach()


def test_a_callable_is_given_each_finding_once_and_nothing_is_warned() -> None:
    run, findings = Run(by_hand()), list[Finding]()
    noise(run.model, 1.0)
    monitor = attach(run.model, findings.append)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run.train(40)
    monitor.detach()
    assert [f.key for f in findings] == [("SPK299", "spikes", "lif")]


def test_raise_stops_in_the_step_where_it_happened_and_that_step_is_not_made() -> None:
    run = Run(by_hand())
    noise(run.model, -1.0)
    monitor = attach(run.model, "raise")
    run.train(11)
    noise(run.model, 1.0)
    before = run.weights()
    with pytest.raises(FindingError, match="SPK299 loud: lif fired"):
        run.train(1)
    assert_same(run.weights(), before)
    assert monitor.report().findings[0].when.update == 11
    monitor.detach()


def test_raise_comes_from_optimizer_step_and_from_nowhere_else() -> None:
    model = by_hand()
    noise(model, 1.0)
    monitor = attach(model, "raise")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x, y = batch()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    with pytest.raises(FindingError):
        optimizer.step()
    monitor.detach()


def test_what_training_may_mend_is_kept_at_once_and_told_after_64_updates() -> None:
    run, findings = Run(by_hand()), list[Finding]()
    noise(run.model, 1.0)
    monitor = attach(run.model, findings.append, Passing())
    run.train(64)
    assert not findings
    assert [f.when.update for f in monitor.report().findings] == [0]
    run.train(20)
    monitor.detach()
    assert [(f.check, f.when.update) for f in findings] == [("SPK299", 0)]


def test_what_training_cannot_mend_is_told_at_once() -> None:
    run, findings = Run(by_hand()), list[Finding]()
    noise(run.model, 1.0)
    run.model.requires_grad_(False)
    run.model.get_parameter("fc2.bias").requires_grad_()  # the only thing that learns is behind the layer
    monitor = attach(run.model, findings.append, Passing())
    run.train(2)
    monitor.detach()
    assert [f.check for f in findings] == ["SPK299"]


def test_it_is_kept_by_when_a_finding_was_over_and_that_it_came_back() -> None:
    run = Run(by_hand())
    noise(run.model, 1.0)
    monitor = Monitor(run.model, Judge((Loud(),)), Schedule(every=1), lambda _: None, spikes=["lif"])
    run.train(3)
    noise(run.model, -1.0)
    run.train(57)
    (record,) = monitor.evidence().ledger.records.values()
    assert not record.is_open
    assert record.intervals == (Interval(0, 31),)  # judged at update 47 by forward passes 17 to 48
    assert [f.state for f in monitor.report().history] == [FindingState.OVER]
    noise(run.model, 1.0)
    run.train(20)
    monitor.detach()
    (record,) = monitor.evidence().ledger.records.values()
    assert record.is_open
    assert len(record.intervals) > 1
    assert not monitor.report().history


def test_what_torch_raised_is_told_before_the_script_ends() -> None:
    run, findings = Run(by_hand()), list[Finding]()
    monitor = attach(run.model, findings.append, ReusedGraph())
    run.train(40)  # by then not every update is judged
    x, y = batch()
    loss = F.cross_entropy(run.model(x), y)
    loss.backward()
    with pytest.raises(RuntimeError, match="second time"):
        loss.backward()
    monitor.detach()
    assert [(f.check, f.when.update) for f in findings] == [("SPK213", 40)]


def test_without_an_optimizer_an_evaluation_is_judged_too() -> None:
    model = by_hand()
    noise(model, 1.0)
    findings: list[Finding] = []
    monitor = attach(model, findings.append)
    with torch.no_grad():
        model(batch()[0])
    monitor.detach()
    assert [f.check for f in findings] == ["SPK299"]


def test_what_was_found_stays_found_with_its_date_when_it_goes_away() -> None:
    run = Run(by_hand())
    noise(run.model, 1.0)
    monitor = attach(run.model, lambda _: None)
    run.train(2)
    noise(run.model, -1.0)
    run.train(40)
    report = monitor.report()
    monitor.detach()
    assert [(f.check, f.when.update) for f in report.findings] == [("SPK299", 0)]


def test_a_finding_that_begins_later_is_dated_later() -> None:
    run = Run(by_hand())
    noise(run.model, -1.0)
    findings: list[Finding] = []
    monitor = attach(run.model, findings.append, Huge())
    run.train(5)
    assert not findings
    with torch.no_grad():
        run.model.get_parameter("fc2.weight").fill_(100.0)
    run.train(2)
    monitor.detach()
    assert [(f.check, f.site.name, f.when.update) for f in findings] == [("SPK499", "fc2.weight", 5)]


def test_warnings_turned_into_errors_stop_the_training_and_are_no_error_of_ours() -> None:
    run = Run(by_hand())
    noise(run.model, 1.0)
    monitor = attach(run.model, "warn")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(SpikecheckWarning, match="SPK299"):
            run.train(1)
    assert monitor.watching
    assert "SPK001" not in str(monitor.report())
    monitor.detach()


def test_what_is_ignored_is_not_said() -> None:
    findings: list[Finding] = []
    run = Run(by_hand())
    with spikecheck.attach(run.model, on_finding=findings.append, ignore=["SPK"]):
        noise(run.model, 0.0)
        run.train(12)
    assert not findings


def test_what_the_users_callable_raises_is_the_users() -> None:
    class Mine(Exception):
        """Raised by the script's own code."""

    def refuse(finding: Finding) -> None:
        raise Mine(finding.check)

    run = Run(by_hand())
    noise(run.model, 1.0)
    monitor = attach(run.model, refuse, Loud())
    with pytest.raises(Mine, match="SPK299"):
        run.train(3)
    assert monitor.watching
    assert "SPK001" not in {finding.check for finding in monitor.report().findings}
    monitor.detach()
