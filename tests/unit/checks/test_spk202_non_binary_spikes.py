"""SPK202 non-binary-spikes: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk202_non_binary_spikes import NonBinarySpikes
from tests.unit.checks.build import POISONED, findings, mode, observe, severity_of, spikes

TERNARY = spikes(minimum=-1.0, values=(-1.0, 0.0, 1.0), non_binary=9000)
GRADED = spikes(maximum=2.5, values=(0.0, 2.5), non_binary=20_480, non_integer=4000)


@pytest.mark.parametrize(
    ("read", "severity"),
    [
        pytest.param(spikes(), None, id="binary"),
        pytest.param(TERNARY, "note", id="ternary"),
        pytest.param(GRADED, "note", id="a factor on the spikes"),
        pytest.param(spikes(maximum=20.0, values=(0.0, 20.0), non_binary=20_480), "note", id="0 and 20"),
        pytest.param(
            spikes(maximum=3.0, values=(0.0, 1.0, 3.0), non_binary=900), None, id="spike counts belong to another check"
        ),
        pytest.param(
            spikes(maximum=3.0, values=(0.0, 1.0, 3.0), non_binary=900, non_integer=1),
            "note",
            id="counts and one fraction",
        ),
        pytest.param(spikes(non_binary=7, non_finite=POISONED), None, id="not finite, which belongs to another check"),
        pytest.param(spikes(maximum=0.0, values=(0.0,), active=0, count=0.0), None, id="silent"),
    ],
)
def test_judge(read, severity) -> None:
    assert severity_of(NonBinarySpikes(), observe({"lif1": [read]}), "lif1") == severity


SMOOTH = {"values": tuple(n / 100 for n in range(1, 17)), "minimum": 0.01, "non_binary": spikes().elements}
ALL = spikes().sampled_elements


@pytest.mark.parametrize(
    ("fractional", "library", "severity"),
    [
        pytest.param(ALL, "spikingjelly", "warning", id="a surrogate function in its smooth form"),
        pytest.param(0.9 * ALL, "spikingjelly", "warning", id="at the limit"),
        pytest.param(0.89 * ALL, "spikingjelly", "note", id="graded spikes in most steps"),
        pytest.param(ALL, "torch", "note", id="a layer written by hand, which may be no spiking layer"),
    ],
)
def test_a_layer_of_a_library_that_does_not_spike_at_all(fractional, library, severity) -> None:
    read = spikes(**SMOOTH, non_integer=round(fractional))
    observations = observe({"lif1": [read]}, sites={"lif1": {"framework": library}})
    assert severity_of(NonBinarySpikes(), observations, "lif1") == severity


def test_the_fix_for_smooth_values_turns_spikes_on() -> None:
    observations = observe({"lif1": [spikes(**SMOOTH, non_integer=ALL)]}, sites={"lif1": {"framework": "spikingjelly"}})
    [finding] = findings(NonBinarySpikes(), observations, "lif1")
    assert finding.message.startswith("lif1 emits smooth values, ")
    assert finding.fix.endswith("model.lif1.surrogate_function.spiking = True")


def test_it_shows_the_values() -> None:
    [finding] = findings(NonBinarySpikes(), observe({"lif1": [TERNARY]}), "lif1")
    assert finding.message == "lif1 emits -1, 0, 1, which are neither spikes (0 or 1) nor spike counts"
    assert "values -1, 0, 1" in finding.observed.text


@pytest.mark.parametrize(
    ("probability", "dropout", "severity"),
    [
        pytest.param(0.6, "lif1.drop", None, id="spikes that a dropout inside the layer keeps"),
        pytest.param(0.5, "lif1.drop", "note", id="of another size than the dropout makes them"),
        pytest.param(0.6, "drop", "note", id="the dropout is elsewhere"),
        pytest.param(1.0, "lif1.drop", "note", id="it keeps nothing"),
    ],
)
def test_a_dropout_behind_the_spikes(probability, dropout, severity) -> None:
    observations = observe({"lif1": [GRADED], dropout: [mode(dropout_probability=probability)]})
    assert severity_of(NonBinarySpikes(), observations, "lif1") == severity
