"""SPK320 tiny-logits: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk320_tiny_logits import TinyLogits
from tests.unit.checks.build import gradient, logits, loss, observe, parameter, run, severity_of, update

STUCK = {"recent_mean": 2.99, "recent_slope": 0.0, "recent_slope_error": 1e-5, "recent_deviation": 0.01}
TINY = {"spread": 0.002, "minimum": 0.0, "maximum": 0.003}


@pytest.mark.parametrize(
    ("reading", "changed", "movement", "severity"),
    [
        pytest.param(TINY, {}, 0.01, "warning", id="a five-hundredth of what is needed"),
        pytest.param(TINY | {"spread": 0.05}, {}, 0.01, "warning", id="exactly at the limit"),
        pytest.param(TINY | {"spread": 0.051}, {}, 0.01, None, id="just above the limit"),
        pytest.param(TINY | {"spread": 0.0, "tied_rows": 320}, {}, 0.01, None, id="all equal: nothing reaches them"),
        pytest.param(TINY | {"tied_rows": 200}, {}, 0.01, None, id="most rows are equal"),
        pytest.param(TINY, {"recent_slope": -0.01}, 0.01, None, id="the loss falls"),
        pytest.param(TINY, {"recent_slope": -0.0001}, 0.01, "warning", id="it falls by 0.006 in 64 updates"),
        pytest.param(TINY, {"recent_mean": 0.3}, 0.01, None, id="learned"),
        pytest.param(TINY, {"updates": 40}, 0.01, None, id="too early"),
        pytest.param(TINY, {}, 1e-6, None, id="a cold learning rate is SPK410's"),
        pytest.param(TINY, {}, 1.1e-4, "warning", id="so small that SGD hardly moves"),
        pytest.param(TINY | {"spread": 0.02}, {}, 1.1e-4, None, id="not as small"),
        pytest.param({}, {}, 0.01, None, id="healthy logits"),
    ],
)
def test_judge(reading, changed, movement, severity) -> None:
    weight = [update(mean_relative_norm=movement), gradient(), parameter()]
    places = {"fc1.weight": weight, "loss": [logits(**reading), loss(**STUCK | changed)]}
    assert severity_of(TinyLogits(), observe(places, run=run(update=200)), "loss") == severity


@pytest.mark.parametrize(("updates", "severity"), [(255, None), (256, "warning")])
def test_during_training_it_waits(updates, severity) -> None:
    places = {
        "fc1.weight": [update(mean_relative_norm=0.01), gradient(), parameter()],
        "loss": [logits(**TINY), loss(**STUCK | {"updates": updates})],
    }
    assert severity_of(TinyLogits(), observe(places, run=run(live=True, update=updates)), "loss") == severity
