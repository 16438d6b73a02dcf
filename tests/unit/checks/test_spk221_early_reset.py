"""SPK221 early-reset: a table of numbers, no model."""

from __future__ import annotations

from typing import Any

import pytest

from spikecheck.checks.spk221_early_reset import EarlyReset
from spikecheck.site import SpikeArgument
from tests.unit.checks.build import findings, flow, observe, severity_of, spikes

LIMITS = EarlyReset.limits()
RESETS, GAP = LIMITS["min_resets"][0], LIMITS["max_gap"][0]
SILENT = spikes(count=0.0, active=0, maximum=0.0, values=(0.0,))
CUT_OFF: dict[str, Any] = {"rms": 0.6, "maximum": 0.9999, "threshold": 1.0, "resets": 4000, "reset_value": 0.0}


def layer(shown=SILENT, used=True, **changed):
    argument = SpikeArgument(**{**CUT_OFF, **changed})
    return observe({"lif1": [shown, flow(spikes_receive_gradient=used, argument=argument)]})


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(layer(), "error", id="cut off at the threshold"),
        pytest.param(layer(threshold=0.0, maximum=-1e-4, reset_value=-1.0), "error", id="known less the threshold"),
        pytest.param(layer(resets=RESETS), "error", id="as few resets as that"),
        pytest.param(layer(resets=RESETS - 1), None, id="one less"),
        pytest.param(layer(maximum=1 - GAP + 1e-6), "error", id="just near enough to the threshold"),
        pytest.param(layer(maximum=1 - GAP - 1e-6), None, id="too weak a drive"),
        pytest.param(layer(spikes()), None, id="a layer that fires, and is reset afterwards"),
        pytest.param(layer(used=False), None, id="only its potential is used"),
        pytest.param(layer(threshold=None), None, id="no threshold is known"),
        pytest.param(layer(reset_value=None, resets=0), None, id="one time step"),
        pytest.param(observe({"lif1": [SILENT, flow()]}), None, id="a layer of a library"),
    ],
)
def test_judge(observations, severity) -> None:
    assert severity_of(EarlyReset(), observations, "lif1") == severity


def test_it_counts_the_resets_without_a_spike() -> None:
    (finding,) = findings(EarlyReset(), layer(), "lif1")
    assert finding.message == "lif1 resets its potential before it computes its spikes: 4,000 times, and it never fires"
    assert finding.observed.numbers["resets"] == 4000
    assert finding.fix.splitlines()[1] == "spikes = spike(v - v_th)"
