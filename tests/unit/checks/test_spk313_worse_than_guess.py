"""SPK313 worse-than-guess: a table of numbers, no model."""

from __future__ import annotations

from math import log

import pytest

from spikecheck.checks.spk313_worse_than_guess import WorseThanGuess
from tests.unit.checks.build import gradient, loss, observe, parameter, run, severity_of, targets, update

CHANCE = log(20)
STAYS = {"updates": 200, "window": 64, "recent_mean": 3.6, "recent_slope": 0.0, "recent_slope_error": 0.0002}


def uneven(share):
    """Of 20 classes, one with this share of 3,800 labels; with half, the entropy is 2.165."""
    rest = round(3800 * (1 - share) / 19)
    return targets(classes=20, class_counts=(3800 - 19 * rest, *[rest] * 19))


def net(share=0.004, live=False, labels=None, done=200, **changed):
    places = {
        "fc1.weight": [update(mean_relative_norm=share), gradient(), parameter()],
        "loss": [loss(**(STAYS | changed)), labels or targets(classes=20, class_counts=(10,) * 20)],
    }
    return observe(places, run=run(update=done, live=live))


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(net(), "warning", id="above ln 20, and stays"),
        pytest.param(net(recent_slope=-0.009), "note", id="above ln 20, and falls"),
        pytest.param(net(recent_slope=-0.0031), "note", id="falls by just enough"),
        pytest.param(net(recent_slope=-0.0015), "warning", id="falls by less"),
        pytest.param(net(recent_slope_error=0.001), "note", id="too noisy to say that it stays"),
        pytest.param(net(recent_mean=CHANCE + 0.11), "warning", id="just above a plateau at chance"),
        pytest.param(net(recent_mean=CHANCE + 0.09), None, id="a plateau at chance is found by another check"),
        pytest.param(net(recent_mean=1.6), None, id="ordinary"),
        pytest.param(
            net(recent_mean=1.6, labels=targets(classes=20, class_counts=(190, 10, *[0] * 18))),
            "warning",
            id="below ln 20, and a guess that knows the labels is better",
        ),
        pytest.param(net(recent_mean=2.16, labels=uneven(0.5)), "warning", id="at the entropy of uneven labels"),
        pytest.param(net(recent_mean=2.11, labels=uneven(0.5)), None, id="a little below it"),
        pytest.param(net(recent_mean=2.16, recent_slope=-0.009, labels=uneven(0.5)), None, id="at it, and falls"),
        pytest.param(net(recent_mean=0.4, labels=uneven(0.95)), None, id="nearly all labels of one class"),
        pytest.param(net(labels=targets()), "warning", id="labels that were not counted"),
        pytest.param(net(updates=63, window=63, done=63), None, id="too few losses"),
        pytest.param(net(live=True, updates=255), None, id="too early, while training goes on"),
        pytest.param(net(live=True, updates=256), "warning", id="long enough, while training goes on"),
        pytest.param(net(share=0.0005), None, id="a warm-up: the weights hardly move"),
        pytest.param(net(share=0.003, updates=800), None, id="four losses an update, and it moved by less"),
        pytest.param(net(plain_mean=False), None, id="the loss is a sum, or weighted"),
        pytest.param(net(classes=None), None, id="no classes"),
        pytest.param(net(recent_slope=None), None, id="no line"),
        pytest.param(net(recent_mean=float("nan")), None, id="NaN is found by another check"),
    ],
)
def test_judge(observations, severity) -> None:
    assert severity_of(WorseThanGuess(), observations, "loss") == severity
