"""The readings of a run as rows of tables and pictures."""

from __future__ import annotations

from spikecheck.readings import NonFinite, ParameterReading
from spikecheck.report.rows import weight_rows
from spikecheck.site import Site, SiteKind


class ByWindow(dict[type, object]):
    """The same readings in every window."""


def test_time_constants_of_several_synapses_are_no_weights() -> None:
    names = ("fc1.weight", "lif.w_rec", "lif.tau_syn", "w_in", "lif.v_threshold")
    sites = [Site(SiteKind.PARAMETER, name, position) for position, name in enumerate(names)]
    reading = ParameterReading(elements=200, dimensions=2, fan_in=100, rms=0.1, non_finite=NonFinite(0, 200))
    rows = weight_rows(sites, lambda site, window: ByWindow({ParameterReading: reading}))
    assert [row.name for row in rows] == ["fc1.weight", "lif.w_rec", "w_in"]
