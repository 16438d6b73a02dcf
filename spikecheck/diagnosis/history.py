"""Findings that are over: which of those that still hold they may have caused."""

from __future__ import annotations

from collections.abc import Iterable

from spikecheck.diagnosis.rank import explaining
from spikecheck.finding import Finding


def may_have_caused(past: Finding, active: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings that began while one held that is over by now, and that its check can explain.

    They keep their place as root causes: what caused them is gone, and repairing it would change nothing.
    """
    began_meanwhile = (f for f in active if any(one.first <= f.when.update <= one.last for one in past.intervals))
    return tuple(finding for finding in began_meanwhile if finding.check != past.check and explaining(finding, [past]))
