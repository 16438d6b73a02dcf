"""SPK301 large-logits: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk301_large_logits import LargeLogits
from tests.unit.checks.build import POISONED, findings, logits, loss, observe, severity_of

BAD = {"recent_mean": 33.8}


def net(spread, **changed):
    return observe({"loss": [logits(spread=spread, one_hot_rows=80), loss(**changed)]})


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(net(3.0), None, id="ordinary"),
        pytest.param(net(73.0, **BAD), "warning", id="confident and wrong"),
        pytest.param(net(30.0, **BAD), "warning", id="at the limit"),
        pytest.param(net(29.9, **BAD), None, id="just below it"),
        pytest.param(net(73.0, recent_mean=0.2), None, id="a trained network: far apart, and right"),
        pytest.param(net(73.0, recent_mean=2.99), None, id="better than a uniform guess"),
        pytest.param(net(12.25, recent_mean=6.2), None, id="the largest spread measured in a network that learns"),
        pytest.param(net(73.0, plain_mean=False, **BAD), None, id="the loss is a sum, or weighted"),
        pytest.param(net(73.0, classes=None, **BAD), None, id="no classes"),
        pytest.param(net(73.0, classes=1, **BAD), None, id="one class"),
        pytest.param(net(73.0, recent_mean=None), None, id="no loss"),
        pytest.param(net(73.0, latest=(0.1,) * 8, **BAD), None, id="the latest losses are low"),
        pytest.param(net(73.0, latest=(0.1,) * 7, **BAD), "warning", id="a few of them are"),
        pytest.param(
            net(float("nan"), non_finite=POISONED, recent_mean=float("nan")), None, id="NaN is found by another check"
        ),
    ],
)
def test_judge(observations, severity) -> None:
    assert severity_of(LargeLogits(), observations, "loss") == severity


def test_the_message_gives_the_spread_and_the_loss() -> None:
    [finding] = findings(LargeLogits(), net(73.0, **BAD), "loss")
    assert finding.message == "logits span 73 while the loss is 33.8: confidently wrong"
    assert "exceeds 0.999 in 25% of 320 samples" in finding.observed.text


def test_no_text_claims_an_overflow() -> None:
    [finding] = findings(LargeLogits(), net(73.0, **BAD), "loss")
    texts = (
        LargeLogits.__doc__,
        finding.message,
        finding.observed.text,
        finding.expected.text,
        finding.expected.because,
    )
    assert not any("overflow" in (text or "") for text in texts)
