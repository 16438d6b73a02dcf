"""SPK301 large-logits: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk301_large_logits import LargeLogits
from tests.unit.checks.build import POISONED, evidence, findings, found, logits, loss

BAD = {"recent_mean": 33.8}


def net(spread, **changed):
    return evidence({"loss": [logits(spread=spread, one_hot=80), loss(**changed)]})


@pytest.mark.parametrize(
    ("given", "severity"),
    [
        pytest.param(net(3.0), None, id="ordinary"),
        pytest.param(net(73.0, **BAD), "warning", id="confident and wrong"),
        pytest.param(net(30.0, **BAD), "warning", id="exactly at the limit"),
        pytest.param(net(29.9, **BAD), None, id="just below it"),
        pytest.param(net(73.0, recent_mean=0.2), None, id="trained: far apart, and right"),
        pytest.param(net(73.0, recent_mean=2.99), None, id="better than a uniform guess"),
        pytest.param(net(12.25, recent_mean=6.2), None, id="the most that a network showed that learns"),
        pytest.param(net(73.0, plain=False, **BAD), None, id="the loss is a sum, or weighted"),
        pytest.param(net(73.0, classes=None, **BAD), None, id="no classes"),
        pytest.param(net(73.0, classes=1, **BAD), None, id="one class"),
        pytest.param(net(73.0, recent_mean=None), None, id="no loss"),
        pytest.param(net(float("nan"), non_finite=POISONED, recent_mean=float("nan")), None, id="NaN is another's"),
    ],
)
def test_judge(given, severity) -> None:
    assert found(LargeLogits(), given, "loss") == severity


def test_it_says_how_sure_and_how_wrong() -> None:
    [finding] = findings(LargeLogits(), net(73.0, **BAD), "loss")
    assert finding.message == "logits are 73 apart while the loss is 33.8: sure, and wrong"
    assert "above 0.999 in 25% of 320 samples" in finding.seen.text


def test_nothing_is_said_to_overflow() -> None:
    [finding] = findings(LargeLogits(), net(73.0, **BAD), "loss")
    texts = (LargeLogits.__doc__, finding.message, finding.seen.text, finding.expected.text, finding.expected.because)
    assert not any("overflow" in (text or "") for text in texts)
