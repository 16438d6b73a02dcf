"""SPK305 double-softmax: a table of numbers, no model."""

from __future__ import annotations

from math import e, log

import pytest

from spikecheck.checks.spk305_double_softmax import DoubleSoftmax, lowest_loss
from tests.unit.checks.build import findings, logits, loss, observe, severity_of

ROWS = {"rows": 320, "simplex_rows": 320, "minimum": 0.001, "maximum": 0.8, "spread": 0.4}


def net(function="cross_entropy", **changed):
    return observe({"loss": [logits(**(ROWS | changed)), loss(function=function)]})


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(net(), "warning", id="probabilities"),
        pytest.param(
            net(tied_rows=320, spread=0.0), "warning", id="all of them 1 / C: a silent layer behind the softmax"
        ),
        pytest.param(net(spread=0.9999), "warning", id="nearly all are sure of a class"),
        pytest.param(net(spread=1.0, minimum=0.0, maximum=1.0), None, id="one spike per sample: one-hot counts"),
        pytest.param(net(simplex_rows=319), None, id="one row is no distribution"),
        pytest.param(net(simplex_rows=20), None, id="counts, some of which sum to 1"),
        pytest.param(net(simplex_rows=0), None, id="logits"),
        pytest.param(net(function="nll_loss"), None, id="another loss"),
        pytest.param(net(rows=0, simplex_rows=0), None, id="no row"),
        pytest.param(net(classes=1), None, id="one class"),
    ],
)
def test_judge(observations, severity) -> None:
    assert severity_of(DoubleSoftmax(), observations, "loss") == severity


@pytest.mark.parametrize(("classes", "lowest"), [(2, 0.3133), (10, 1.4612), (20, 2.0782), (1000, 5.9095)])
def test_the_loss_cannot_fall_below_this(classes: int, lowest: float) -> None:
    """A one-hot row, the right class: log(e + C - 1) - 1."""
    assert lowest_loss(classes) == pytest.approx(log(e + classes - 1) - 1)
    assert lowest_loss(classes) == pytest.approx(lowest, abs=1e-4)


def test_the_message_gives_the_lowest_possible_loss() -> None:
    [finding] = findings(DoubleSoftmax(), net(), "loss")
    assert (
        finding.message == "logits are already probabilities: after a second softmax, the loss cannot fall below 2.08"
    )
