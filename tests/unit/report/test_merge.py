"""Several reports on one training, as one."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from spikecheck.finding import Outcome, Severity, Verdict
from spikecheck.report.model import LayerRow, Report, WeightRow
from spikecheck.site import SiteKind
from tests.unit.report.pictures import file
from tests.unit.report.reports import broken, finding, healthy, spikes

SILENT = finding("SPK203", "dead-layer", SiteKind.SPIKES, "lif1", 1, "lif1 is silent")
OTHER = finding("SPK203", "dead-layer", SiteKind.SPIKES, "lif2", 2, "lif2 is silent")
STUCK = finding("SPK302", "chance-plateau", SiteKind.LOSS, "loss", 9, "the loss is stuck", explained_by=("SPK203",))


def matches(*findings: object, outcome: Outcome = Outcome.FINDINGS, **more: object) -> Report:
    return Report.of([Verdict("SPK203", "dead-layer", outcome, findings, **more)])  # type: ignore[arg-type]


def test_one_report_merged_is_the_report_but_for_the_order_of_its_checks() -> None:
    for report in (broken(), healthy(), file()):
        merged = Report.merge(report)
        assert replace(merged, verdicts=report.verdicts) == report
        assert sorted(v.check for v in report.verdicts) == [v.check for v in merged.verdicts]


def test_no_report_merges_to_an_empty_one() -> None:
    assert Report.merge() == Report.of([])


def test_a_check_found_what_any_report_found_each_site_once() -> None:
    again = replace(SILENT, message="said again")
    merged = Report.merge(matches(SILENT), matches(again, OTHER))
    (verdict,) = merged.verdicts
    assert [f.message for f in verdict.findings] == ["lif1 is silent", "lif2 is silent"]


def test_a_finding_of_one_report_explains_a_finding_of_another() -> None:
    loss = Report.of([Verdict("SPK302", "chance-plateau", Outcome.FINDINGS, (STUCK,))])
    (cause,) = Report.merge(loss, matches(SILENT)).root_causes
    assert (cause.finding, cause.consequences) == (SILENT, (STUCK,))


def test_the_stronger_answer_counts() -> None:
    order = (Outcome.FINDINGS, Outcome.PASSED, Outcome.COULD_NOT_RUN, Outcome.NOT_APPLICABLE)
    for strong, weak in pairwise(order):
        first, second = matches(outcome=strong, reason="a"), matches(outcome=weak, reason="b", ignored=("x",))
        for reports in ((first, second), (second, first)):
            (verdict,) = Report.merge(*reports).verdicts
            assert (verdict.outcome, verdict.reason, verdict.ignored) == (strong, "a", ("x",))


def test_counts_are_of_the_same_training_and_rows_of_the_first_report_that_has_them() -> None:
    rank = Report.of(
        [],
        layers=(LayerRow("lif1", spikes(silent_neurons=9)), LayerRow("lif2", spikes())),
        updates=5,
        cost=0.5,
        start_cost=0.7,
    )
    other = Report.of(
        [], layers=(LayerRow("lif1", spikes(silent_neurons=0)),), updates=7, forward_passes=9, frameworks=("norse",)
    )
    merged = Report.merge(rank, replace(other, weights=(WeightRow("w", 1, 1.0),), subject="ck.pt"))
    assert [(row.name, row.spikes.silent_neurons) for row in merged.layers] == [("lif1", 9), ("lif2", 3)]
    assert (merged.updates, merged.forward_passes, merged.cost, merged.subject) == (7, 9, 0.5, "ck.pt")
    assert merged.start_cost == 0.7
    assert (merged.frameworks, [row.name for row in merged.weights]) == (("norse",), ["w"])


def test_ok_is_of_all_reports() -> None:
    assert not Report.merge(healthy(), broken()).ok
    assert Report.merge(healthy(), matches(replace(SILENT, severity=Severity.NOTE))).ok
