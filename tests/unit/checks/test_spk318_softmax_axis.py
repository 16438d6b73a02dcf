"""SPK318 softmax-axis: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk318_softmax_axis import SoftmaxAxis
from tests.unit.checks.build import findings, logits, loss, observe, severity_of, spikes

LIMIT = SoftmaxAxis.limits()["min_updates"][0]
OVER_BATCH = {"minimum": 0.01, "maximum": 0.9, "updates": LIMIT, "rows": 16 * LIMIT}


@pytest.mark.parametrize(
    ("reading", "severity"),
    [
        pytest.param(logits(**OVER_BATCH, normalized_batches=LIMIT), "warning", id="over the batch"),
        pytest.param(logits(**OVER_BATCH, normalized_batches=LIMIT - 1), None, id="by chance in some batches"),
        pytest.param(
            logits(**{**OVER_BATCH, "updates": LIMIT - 1}, normalized_batches=LIMIT - 1), None, id="too few updates"
        ),
        pytest.param(logits(minimum=0.025, maximum=0.025, tied_rows=320), "warning", id="mean over 40 steps"),
        pytest.param(logits(minimum=1.0, maximum=1.0001, tied_rows=3), "warning", id="sum over time"),
        pytest.param(logits(minimum=0.0, maximum=0.0, tied_rows=320), None, id="a silent layer, or a head of zeros"),
        pytest.param(logits(minimum=40.0, maximum=40.0, tied_rows=320), None, id="counts of a saturated layer"),
        pytest.param(logits(**OVER_BATCH | {"rows": LIMIT}, normalized_batches=LIMIT), None, id="one sample per batch"),
        pytest.param(logits(), None, id="healthy"),
    ],
)
def test_judge(reading, severity) -> None:
    assert severity_of(SoftmaxAxis(), observe({"loss": [reading]}), "loss") == severity


@pytest.mark.parametrize(("active", "severity"), [(0, None), (3200, "warning")], ids=["silent", "firing"])
def test_the_same_logits_behind_a_silent_layer_are_no_softmax(active, severity) -> None:
    places = {"lif1": [spikes(active=active)], "loss": [logits(minimum=0.04, maximum=0.04, tied_rows=320)]}
    assert severity_of(SoftmaxAxis(), observe(places), "loss") == severity


@pytest.mark.parametrize(
    ("function", "wanted"),
    [("nll_loss", "log_softmax over the classes"), ("cross_entropy", "logits that were not normalized")],
)
def test_what_is_expected_depends_on_whether_the_loss_normalizes(function: str, wanted: str) -> None:
    values = logits(**OVER_BATCH, normalized_batches=LIMIT)
    (finding,) = findings(SoftmaxAxis(), observe({"loss": [values, loss(function=function)]}), "loss")
    assert finding.expected.text == wanted


@pytest.mark.parametrize(
    ("axes", "over"), [((0, 1), "time steps"), ((1, 1), "samples of a batch")], ids=["time", "batch"]
)
def test_a_softmax_in_the_graph_is_named_with_its_axis(axes, over) -> None:
    values = logits(minimum=-3.2, maximum=-2.9)
    reading = loss(function="nll_loss", softmax_axes=((20, 64, 10), axes))
    (finding,) = findings(SoftmaxAxis(), observe({"loss": [values, reading]}), "loss")
    assert finding.message == f"logits are normalized over the {over} instead of over the classes"
    assert finding.observed.text == f"the softmax runs along axis {axes[0]} of [20, 64, 10]"
