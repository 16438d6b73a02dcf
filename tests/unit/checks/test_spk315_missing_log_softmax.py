"""SPK315 missing-log-softmax: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk315_missing_log_softmax import MissingLogSoftmax
from tests.unit.checks.build import findings, logits, loss, observe, severity_of

LOGARITHMS = {"minimum": -9.0, "maximum": -0.01}


def net(function="nll_loss", **changed):
    return observe({"loss": [logits(**changed), loss(function=function)]})


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(net(**LOGARITHMS), None, id="log-probabilities"),
        pytest.param(net(minimum=-9.0, maximum=0.0), None, id="one of them certain"),
        pytest.param(net(minimum=-9.0, maximum=1e-3), None, id="log(p + eps), exactly at the limit"),
        pytest.param(net(minimum=0.001, maximum=0.8, simplex_rows=320), "warning", id="probabilities"),
        pytest.param(net(), "warning", id="logits"),
        pytest.param(net(function="cross_entropy"), None, id="another loss"),
        pytest.param(net(rows=0), None, id="no row"),
        pytest.param(net(maximum=float("nan")), None, id="not a number: another check's"),
    ],
)
def test_judge(observations, severity) -> None:
    assert severity_of(MissingLogSoftmax(), observations, "loss") == severity


@pytest.mark.parametrize(("simplex", "what"), [(320, "probabilities"), (319, "unnormalized values")])
def test_the_message_says_what_the_values_are(simplex: int, what: str) -> None:
    (finding,) = findings(MissingLogSoftmax(), net(simplex_rows=simplex), "loss")
    assert finding.message == f"logits given to nll_loss are {what} of up to 4; log-probabilities are never above 0"
