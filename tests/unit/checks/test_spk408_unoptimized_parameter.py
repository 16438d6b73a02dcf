"""SPK408 unoptimized-parameter: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk408_unoptimized_parameter import UnoptimizedParameter
from spikecheck.site import IdleOptimizer
from tests.unit.checks.build import findings, gradient, observe, parameter, run, severity_of, update

HELD = [gradient(), parameter(), update()]
LEFT = [gradient(), parameter()]


@pytest.mark.parametrize(
    ("left", "of_run", "severity"),
    [
        pytest.param(HELD, run(), None, id="the optimizer holds it"),
        pytest.param(LEFT, run(), "warning", id="no optimizer holds it"),
        pytest.param(LEFT, run(live=True, update=63), None, id="too early: another optimizer may step yet"),
        pytest.param(LEFT, run(live=True, update=64), "warning", id="during training, long enough"),
        pytest.param(
            [gradient(mean_norm=0.0, missing_updates=20), parameter()], run(), None, id="it gets no gradient: unused"
        ),
        pytest.param([gradient(dimensions=1), parameter(dimensions=1)], run(), None, id="a threshold, or a bias"),
    ],
)
def test_judge(left, of_run, severity) -> None:
    observations = observe({"fc1.weight": left, "fc2.weight": HELD}, run=of_run)
    assert severity_of(UnoptimizedParameter(), observations, "fc1.weight") == severity


def test_a_weight_that_an_earlier_optimizer_trained_has_moved() -> None:
    first = {"fc1.weight": [parameter(rms=0.05)]}
    observations = observe({"fc1.weight": LEFT, "fc2.weight": HELD}, first=first)
    assert severity_of(UnoptimizedParameter(), observations, "fc1.weight") is None


def test_a_threshold_with_several_axes_is_no_weight() -> None:
    observations = observe({"encoder.thr_up": LEFT, "fc2.weight": HELD})
    assert severity_of(UnoptimizedParameter(), observations, "encoder.thr_up") is None


def test_there_is_no_finding_where_no_optimizer_has_stepped() -> None:
    assert severity_of(UnoptimizedParameter(), observe({"fc1.weight": LEFT}), "fc1.weight") is None


def test_one_finding_stands_for_all() -> None:
    observations = observe({"fc1.weight": LEFT, "fc2.weight": LEFT, "fc3.weight": HELD})
    made = [f for n in (1, 2, 3) for f in findings(UnoptimizedParameter(), observations, f"fc{n}.weight")]
    assert [f.message for f in made] == ["gradients reach fc1.weight and 1 more, but no optimizer holds them"]


def test_a_weight_that_took_the_place_of_one_that_the_optimizer_holds_is_found() -> None:
    observations = observe({"fc1.weight": HELD, "fc2.weight": HELD}, run=run(replaced_parameters=("fc2.weight",)))
    assert not findings(UnoptimizedParameter(), observations, "fc1.weight")
    [finding] = findings(UnoptimizedParameter(), observations, "fc2.weight")
    assert finding.message == "gradients reach fc2.weight, but the optimizer still holds what it replaced"
    assert finding.when.update == observations.run.update


def test_it_says_where_an_optimizer_holds_them_and_never_steps() -> None:
    when = run(idle_optimizers=(IdleOptimizer("SGD", ("fc1.weight",)),))
    [finding] = findings(
        UnoptimizedParameter(), observe({"fc1.weight": LEFT, "fc2.weight": HELD}, run=when), "fc1.weight"
    )
    assert finding.message == "gradients reach fc1.weight, but step() of SGD, which holds it, is never called"
