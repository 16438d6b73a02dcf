from __future__ import annotations

from spikecheck.checks.base import Observations
from spikecheck.checks.spk001_own_error import OwnError
from spikecheck.finding import Severity
from spikecheck.readings import RunReading
from spikecheck.site import Moment, Site, SiteKind


def test_the_finding_says_which_error_where_and_when() -> None:
    finding = OwnError().of(ValueError("3 {braces}"), "stats/spikes.py", 7, update=12)
    assert finding.message == "spikecheck stopped watching: ValueError: 3 {braces}"
    assert finding.observed.text == "ValueError: 3 {braces}, raised in stats/spikes.py, line 7"
    assert finding.when == Moment(12)
    assert finding.severity is Severity.WARNING
    assert "on_finding" in finding.fix


def test_it_finds_nothing_by_itself() -> None:
    site = Site(SiteKind.RUN, "run")
    run = RunReading(live=False, update=1, forward_passes=1, backward_passes=1, called_per_time_step=False)
    assert list(OwnError().judge(site, Observations(run, (site,), {}).readings(site))) == []
