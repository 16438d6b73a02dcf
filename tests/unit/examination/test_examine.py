"""An examination as a whole: what a healthy and a sick network get, time limits, errors of the user's code."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from torch.nn import functional as F

import spikecheck
from spikecheck.errors import SpikecheckError
from spikecheck.finding import Severity
from spikecheck.report.examined import ExperimentOutcome
from spikecheck.report.model import Report
from tests.unit.examination.subjects import LIF, Net, batches


def examined(model, *, rate: float = 5e-3, loss=F.cross_entropy, data=None, **options) -> Report:
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    limits = {"progress": False, "treatment_seconds": 0, "seconds": 600}
    return spikecheck.examine(model, data or batches(), loss, optimizer, **(limits | options))


@cache
def healthy() -> Report:
    torch.manual_seed(0)
    return examined(Net())


@cache
def sick() -> Report:
    torch.manual_seed(0)
    net = Net(LIF(threshold=50.0))
    return examined(net, rate=2e-2)


def outcomes(report: Report) -> dict[str, ExperimentOutcome]:
    return {row.name: row.outcome for row in report.experiments}


def test_a_healthy_network_is_not_accused_and_is_spared_what_is_for_the_sick() -> None:
    report = healthy()
    assert report.at_least(Severity.WARNING) == ()
    assert outcomes(report)["changed sample"] is ExperimentOutcome.DONE
    assert outcomes(report)["reference neuron"] is ExperimentOutcome.LEFT_OUT
    assert outcomes(report)["32-bit numbers"] is ExperimentOutcome.NOT_APPLICABLE
    assert report.updates == 64
    assert report.cost is None


@pytest.mark.full
def test_a_sick_network_is_bisected() -> None:
    report = sick()
    assert outcomes(report)["reference neuron"] is ExperimentOutcome.DONE
    assert "SPK607" in {finding.check for finding in report.findings}
    assert any(verdict.check == "SPK601" and verdict.outcome.value == "passed" for verdict in report.verdicts)


@pytest.mark.full
def test_mixed_samples_are_the_root_cause() -> None:
    net = Net()
    inner = net.forward
    net.forward = lambda x: inner(x.transpose(0, 1).reshape(x.shape))
    report = examined(net)
    assert report.root_causes[0].finding.check == "SPK601"


def test_what_found_no_time_is_named() -> None:
    report = examined(Net(), seconds=0.6)
    left = [row for row in report.experiments if row.outcome is ExperimentOutcome.LEFT_OUT]
    assert left
    assert any("no time was left" in row.text for row in left)


def test_an_error_of_the_users_loss_is_named() -> None:
    def broken(output, y):
        raise ValueError("no such class")

    report = examined(Net(), loss=broken)
    assert any("no such class" in str(one) for one in report.unseen)
    assert not report.ok


@pytest.mark.full
def test_findings_can_be_ignored_and_limits_set() -> None:
    net = Net()
    inner = net.forward
    net.forward = lambda x: inner(x.transpose(0, 1).reshape(x.shape))
    report = examined(net, ignore="SPK601")
    assert "SPK601" not in {finding.check for finding in report.findings}
    with pytest.raises(SpikecheckError, match="seconds= must be above 0"):
        examined(Net(), seconds=0)
