"""Which reports fail a test."""

from __future__ import annotations

from spikecheck.assertions.health import failure
from spikecheck.finding import Severity, Unseen, UnseenKind
from spikecheck.report.model import Report


def test_a_checkpoint_that_was_not_read_whole_fails() -> None:
    unread = Unseen(UnseenKind.FILE_LIMIT, "2 of 5 tensors were not checked")
    assert failure(Report.of((), unseen=(unread,), subject="last.pt"), Severity.WARNING) == (
        "not judged: not read whole\n  2 of 5 tensors were not checked"
    )


def test_a_checkpoint_without_findings_passes() -> None:
    assert failure(Report.of((), subject="last.pt"), Severity.WARNING) == ""


def test_a_run_without_a_spiking_layer_fails() -> None:
    assert "no spiking layer" in failure(Report.of(()), Severity.WARNING)
