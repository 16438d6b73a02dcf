"""SPK420 forgetful-gradient: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk420_forgetful_gradient import ForgetfulGradient
from tests.unit.checks.build import flow, loss, observe, severity_of

LIMIT = ForgetfulGradient.limits()["min_losses"][0]
CUT = flow(cut_in_time=True)
NOTHING = {"updates": 200, "first": 3.0, "recent_mean": 3.0}
LITTLE = {"updates": 200, "first": 3.0, "recent_mean": 2.5}
MUCH = {"updates": 200, "first": 3.0, "recent_mean": 0.4}


@pytest.mark.parametrize(
    ("read", "losses", "severity"),
    [
        pytest.param(CUT, loss(**NOTHING), "warning", id="cut, and nothing is learned"),
        pytest.param(CUT, loss(**LITTLE), "note", id="cut, and little is learned"),
        pytest.param(CUT, loss(**MUCH), "note", id="online learning that learns"),
        pytest.param(CUT, loss(**NOTHING | {"updates": LIMIT}), "warning", id="as many losses as needed"),
        pytest.param(CUT, loss(**NOTHING | {"updates": LIMIT - 1}), None, id="too early"),
        pytest.param(flow(cut_in_time=False), loss(**NOTHING), None, id="time steps lead back"),
        pytest.param(flow(cut_in_time=None), loss(**NOTHING), None, id="the graph does not tell"),
    ],
)
def test_judge(read, losses, severity) -> None:
    assert severity_of(ForgetfulGradient(), observe({"lif1": [read], "loss": [losses]}), "lif1") == severity
