"""SPK201 multi-spike: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk201_multi_spike import MultiSpike
from spikecheck.neuron import NeuronSpec
from tests.unit.checks.build import findings, flow, inputs, loss, observe, run, severity_of, spikes


def several(average: float, peak: float = 5.0, **changed):
    """Whole numbers up to the peak, with this mean of the active bins."""
    values = (0.0, 1.0, 2.0, peak)
    return spikes(**{"maximum": peak, "values": values, "non_binary": 900, "count": average * 20_480, **changed})


@pytest.mark.parametrize(
    ("read", "severity"),
    [
        pytest.param([spikes()], None, id="binary"),
        pytest.param([several(7.0, 43.0)], "warning", id="first layer of the SHD network of the diary"),
        pytest.param([several(3.0)], "warning", id="exactly at the limit"),
        pytest.param([several(2.99)], "note", id="just below the limit"),
        pytest.param([several(1.5, 16.0)], "note", id="a healthy network with bursts of 16"),
        pytest.param([several(7.0, minimum=-1.0)], None, id="negative values are not counts"),
        pytest.param([several(7.0, non_integer=3)], None, id="fractions are not counts"),
        pytest.param([spikes(maximum=20.0, values=(0.0, 20.0), count=409_600.0)], None, id="0 and 20 are graded"),
        pytest.param([spikes(count=0.0, active=0, maximum=0.0, values=(0.0,))], None, id="silent"),
        pytest.param([several(7.0), flow(spikes_receive_gradient=False)], None, id="only the potential is read"),
        pytest.param([several(7.0), flow(spikes_receive_gradient=None)], "warning", id="no backward pass was observed"),
        pytest.param([several(float("nan"), minimum=float("nan"))], None, id="not a number"),
    ],
)
def test_judge(read, severity) -> None:
    assert severity_of(MultiSpike(), observe({"lif1": read}), "lif1") == severity


@pytest.mark.parametrize(
    ("level", "severity"),
    [
        pytest.param(2.9, "note", id="converted"),
        pytest.param(3.2, "note", id="before the first update"),
        pytest.param(3.4, "warning", id="too strong"),
    ],
)
def test_many_spikes_do_no_harm_where_the_loss_is_hardly_above_a_guess(level, severity) -> None:
    observations = observe({"lif1": [several(7.0)], "loss": [loss(recent_mean=level)]})
    assert severity_of(MultiSpike(), observations, "lif1") == severity


def test_without_training_nothing_shows_that_many_spikes_do_harm() -> None:
    evaluation = observe({"lif1": [several(7.0)]}, run=run(backward_passes=0, without_gradients=True))
    assert severity_of(MultiSpike(), evaluation, "lif1") == "note"


def test_it_shows_the_values_and_the_fix_for_the_library() -> None:
    observations = observe({"lif1": [several(7.0, 43.0)]}, sites={"lif1": {"framework": "sinabs"}})
    [finding] = findings(MultiSpike(), observations, "lif1")
    assert (
        finding.message
        == "neurons of lif1 spike up to 43 times per time step instead of once (7 on average when they fire)"
    )
    assert "(values 0, 1, 2, 43)" in finding.observed.text
    assert "model.lif1.spike_fn = sinabs.activation.SingleSpike" in finding.fix


def test_counts_of_the_input_reduce_the_excess() -> None:
    alone = observe({"input": [inputs()], "lif1": [several(9.0)]})
    fed = observe({"input": [inputs(count=6.0 * 19_200)], "lif1": [several(9.0)]})
    [plain], [weighed] = (findings(MultiSpike(), observations, "lif1") for observations in (alone, fed))
    assert plain.severity is weighed.severity
    assert plain.excess > weighed.excess


def test_the_fix_sets_every_layer_that_spikes_as_often() -> None:
    layers = {f"iaf{n}": [several(7.0, 43.0)] for n in (1, 2)} | {"iaf3": [several(1.5)], "iaf4": [spikes()]}
    observations = observe(layers, sites={name: {"framework": "sinabs"} for name in layers})
    [finding] = findings(MultiSpike(), observations, "iaf1")
    assert finding.fix.splitlines()[-3:] == [
        "# the default is MultiSpike",
        "model.iaf1.spike_fn = sinabs.activation.SingleSpike",
        "model.iaf2.spike_fn = sinabs.activation.SingleSpike",
    ]


@pytest.mark.parametrize(("decay", "named"), [(0.9999, True), (0.9, False)], ids=["hardly leaks", "leaks"])
def test_a_potential_that_does_not_leak_is_the_cause(decay, named) -> None:
    observations = observe({"lif1": [several(7.0)]}, sites={"lif1": {"neuron": NeuronSpec(decay=decay)}})
    [finding] = findings(MultiSpike(), observations, "lif1")
    assert ("SPK207" in finding.explained_by) is named
