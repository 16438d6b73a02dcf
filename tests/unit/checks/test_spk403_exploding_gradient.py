"""SPK403 exploding-gradient: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk403_exploding_gradient import ExplodingGradient
from tests.unit.checks.build import evidence, found
from tests.unit.checks.test_spk402_vanishing_gradient import net


@pytest.mark.parametrize(
    ("given", "severity"),
    [
        pytest.param(net(2.0, 0.7, 1.0), None, id="of ordinary size"),
        pytest.param(net(5.3, 1.3, 2.0), None, id="a little larger in front"),
        pytest.param(net(3e11, 6e9, 3e7, 0.2), "warning", id="a surrogate that is too narrow"),
        pytest.param(net(500.0, 7.0, 0.09), "warning", id="one that is as high as it is steep"),
        pytest.param(net(300.0, 1.0), "warning", id="exactly at the limit"),
        pytest.param(net(299.0, 1.0), None, id="just below it"),
        pytest.param(net(7e-7, 0.8), None, id="the other way round"),
        pytest.param(net(1.0, 0.0), None, id="0 is another check's"),
        pytest.param(net(float("inf"), 1.0), None, id="infinity is another check's"),
    ],
)
def test_judge(given, severity) -> None:
    assert isinstance(given, type(evidence({})))
    assert found(ExplodingGradient(), given, "fc0.weight") == severity
