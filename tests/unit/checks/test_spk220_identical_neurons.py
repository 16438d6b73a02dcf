"""SPK220 identical-neurons: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk220_identical_neurons import IdenticalNeurons
from tests.unit.checks.build import findings, observe, severity_of, spikes

SHAPE = {"forward_passes": 16, "time_steps": 160, "samples": 512, "neurons": 64}  # 10 time steps of 32 samples


def layer(
    now: tuple[float, ...], first: tuple[float, ...] | None = None, fed_by: str | None = "fc1", most: float = 5.0
):
    at_first = {"forward_passes": 1, "time_steps": 10, "samples": 32, "neurons": 64}
    return observe(
        {"lif1": [spikes(rates=now, max_count=most, **SHAPE)]},
        first={"lif1": [spikes(rates=now if first is None else first, max_count=most, **at_first)]},
        sites={"lif1": {"fed_by": fed_by}},
    )


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(layer((0.137,) * 64), "warning", id="copies"),
        pytest.param(layer((0.137,) * 63 + (0.139,), first=(0.137,) * 64), "warning", id="moved apart a little"),
        pytest.param(layer((0.137,) * 63 + (0.16,), first=(0.137,) * 64), None, id="training moves them apart"),
        pytest.param(layer((0.137,) * 63 + (0.139,)), None, id="different at first"),
        pytest.param(layer((0.137,) * 7), None, id="a few neurons"),
        pytest.param(layer((0.1,) * 64, most=1.0), None, id="each fires once per sample"),
        pytest.param(layer((0.0,) * 64), None, id="silent"),
        pytest.param(layer((0.97,) * 64), None, id="saturated"),
        pytest.param(layer((0.137,) * 64, fed_by=None), None, id="an encoder"),
    ],
)
def test_judge(observations, severity) -> None:
    assert severity_of(IdenticalNeurons(), observations, "lif1") == severity


def test_it_counts_the_copies() -> None:
    (finding,) = findings(IdenticalNeurons(), layer((0.137,) * 64), "lif1")
    assert finding.message == "all 64 neurons of lif1 fire equally often: they are copies of each other"
