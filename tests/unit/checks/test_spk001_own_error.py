from __future__ import annotations

from spikecheck.checks.base import Observations
from spikecheck.checks.spk001_own_error import OwnError
from spikecheck.finding import Severity
from spikecheck.readings import RunReading
from spikecheck.site import Moment, Site, SiteKind


def test_the_finding_says_which_error_where_and_when() -> None:
    found = OwnError().of(ValueError("3 {braces}"), "stats/spikes.py", 7, update=12)
    assert found.message == "spikecheck stopped watching: ValueError: 3 {braces}"
    assert found.observed.text == "ValueError: 3 {braces}, raised in stats/spikes.py, line 7"
    assert found.when == Moment(12)
    assert found.severity is Severity.WARNING
    assert "on_finding" in found.fix


def test_it_finds_nothing_by_itself() -> None:
    site = Site(SiteKind.RUN, "run")
    run = RunReading(live=False, update=1, forward_passes=1, backward_passes=1, called_per_time_step=False)
    assert list(OwnError().judge(site, Observations(run, (site,), {}).readings(site))) == []
