"""SPK401 missing-surrogate: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk401_missing_surrogate import MissingSurrogate
from tests.unit.checks.build import findings, flow, gradient, observe, severity_of, spikes


@pytest.mark.parametrize(
    ("read", "severity"),
    [
        pytest.param(flow(), None, id="gradients pass"),
        pytest.param(flow(blocked_forward_passes=20, spikes_receive_gradient=None), "error", id="never"),
        pytest.param(
            flow(forward_passes=1, blocked_forward_passes=1, spikes_receive_gradient=None),
            "error",
            id="one forward pass is enough",
        ),
        pytest.param(flow(blocked_forward_passes=19), None, id="once they passed"),
        pytest.param(
            flow(forward_passes=0, blocked_forward_passes=0, spikes_receive_gradient=None),
            None,
            id="no training forward pass",
        ),
        pytest.param(flow(spikes_receive_gradient=False), None, id="the potential is read out"),
    ],
)
def test_judge(read, severity) -> None:
    assert severity_of(MissingSurrogate(), observe({"lif1": [read], "lif2": [spikes()]}), "lif1") == severity


@pytest.mark.parametrize(
    ("before", "severity"),
    [
        pytest.param([gradient(mean_norm=0.3)], "note", id="the potential is read out: its weights learn"),
        pytest.param([gradient(mean_norm=0.0, missing_updates=20)], "error", id="no gradient comes around the layer"),
        pytest.param(
            [gradient(mean_norm=0.0, zero_updates=20)], "error", id="gradients that come around the layer are 0"
        ),
        pytest.param([gradient(mean_norm=0.0, updates=2, zero_updates=2)], "note", id="0 at first: no spike yet"),
        pytest.param([], "note", id="the last layer, and no gradient was seen yet"),
    ],
)
def test_it_is_a_note_where_gradients_go_round_the_layer(before, severity) -> None:
    places = {"lif1": [flow(blocked_forward_passes=20, spikes_receive_gradient=None), spikes()], "fc1.weight": before}
    observations = observe(places, sites={"lif1": {"fed_by": "fc1"}})
    assert severity_of(MissingSurrogate(), observations, "lif1") == severity


@pytest.mark.parametrize(
    ("library", "fix"), [("snntorch", "model.lif1.spike_grad = "), ("torch", "class Spike(torch.autograd.Function)")]
)
def test_the_fix_is_that_of_the_library(library: str, fix: str) -> None:
    observations = observe(
        {"lif1": [flow(blocked_forward_passes=20, spikes_receive_gradient=None)]},
        sites={"lif1": {"framework": library}},
    )
    [finding] = findings(MissingSurrogate(), observations, "lif1")
    assert fix in finding.fix
    assert "20 of 20 training forward passes" in finding.observed.text
