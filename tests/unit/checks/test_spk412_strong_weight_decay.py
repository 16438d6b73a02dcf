"""SPK412 strong-weight-decay: a table of numbers, no model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spikecheck.checks.spk412_strong_weight_decay import StrongWeightDecay
from spikecheck.site import LearningRateHistory
from tests.unit.checks.build import findings, gradient, loss, observe, parameter, run, severity_of, update

FLAT = loss(first=3.0, recent_mean=3.01, recent_slope=0.0)


def net(history, lost=FLAT, norm: float = 0.3):
    return observe(
        {
            f"fc{n}.weight": [gradient(mean_norm=norm), parameter(), update(learning_rate_history=history)]
            for n in (1, 2)
        }
        | {"loss": [lost]}
    )


def history(shrink: float | None, decay: float):
    return LearningRateHistory(2e-3, 2e-3, 80.0, 80, shrink, decay)


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(net(history(0.0, 0.0)), None, id="none"),
        pytest.param(net(history(2e-7, 1e-4)), None, id="AdamW with 1e-4"),
        pytest.param(net(history(5e-4, 5e-4)), None, id="SGD with momentum, as for images"),
        pytest.param(net(history(0.12, 60.0)), "warning", id="AdamW with 60"),
        pytest.param(net(history(0.005, 2.5)), "warning", id="at the limit"),
        pytest.param(net(history(0.0049, 2.4)), None, id="just below it"),
        pytest.param(net(history(0.12, 60.0), loss(recent_mean=2.99)), "warning", id="though the loss falls for now"),
        pytest.param(net(history(0.12, 60.0), loss(recent_mean=1.2)), None, id="and the network learns"),
        pytest.param(net(history(None, 60.0)), "warning", id="Adam with 60: the gradient is nearly decay alone"),
        pytest.param(net(history(None, 60.0), loss()), None, id="Adam with 60, and the loss falls"),
        pytest.param(net(history(None, 1e-2)), None, id="Adam with 0.01"),
        pytest.param(net(history(None, 1e-3), norm=1e-6), "warning", id="Adam with 0.001 and hardly any gradient"),
        pytest.param(net(history(None, 9e-4), norm=1e-6), None, id="a usual decay: the gradient is what is missing"),
        pytest.param(net(history(None, 60.0), norm=0.0), None, id="no gradient to compare with"),
        pytest.param(net(None), None, id="not known"),
    ],
)
def test_judge(observations, severity) -> None:
    assert severity_of(StrongWeightDecay(), observations, "fc1.weight") == severity


@pytest.mark.parametrize(
    ("update_number", "level", "severity"),
    [(63, 3.01, None), (64, 3.01, "warning"), (64, 2.5, None)],
    ids=["early", "nothing is learned", "something is learned"],
)
def test_while_training_runs_it_waits_for_a_network_that_learns_nothing(update_number, level, severity) -> None:
    flat = loss(first=3.0, recent_mean=level, recent_slope=0.0, recent_deviation=0.02)
    observations = replace(net(history(0.12, 60.0), flat), run=run(live=True, update=update_number))
    assert severity_of(StrongWeightDecay(), observations, "fc1.weight") == severity


AT_CHANCE = loss(first=8.0, recent_mean=3.0, recent_slope=-0.001, recent_slope_error=0.0001)


def shrinking(*, to: float = 0.3, first_norm: float = 0.5, last_norm: float = 0.5, lost=AT_CHANCE, decay: float = 1.0):
    """Weights of norm 8 at first whose gradient is a sixteenth of a decay of 1; the last may have another gradient."""
    slow = history(None, decay)
    norms = {"fc1.weight": first_norm, "fc2.weight": last_norm}

    def at(scale: float):
        return {
            n: [gradient(mean_norm=g), parameter(rms=0.1 * scale), update(learning_rate_history=slow)]
            for n, g in norms.items()
        }

    return observe(at(to) | {"loss": [lost]}, first=at(1.0))


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(shrinking(), "warning", id="to a third, while the loss falls to that of a guess"),
        pytest.param(shrinking(lost=FLAT), "warning", id="to a third, while the loss stays"),
        pytest.param(shrinking(lost=loss()), None, id="to a third, and it learns"),
        pytest.param(
            shrinking(lost=loss(first=8.0, recent_mean=3.0, classes=None)), None, id="no ln C to compare with"
        ),
        pytest.param(shrinking(to=0.5), "warning", id="to a half, at the limit"),
        pytest.param(shrinking(to=0.51), None, id="to more than a half"),
        pytest.param(shrinking(first_norm=4.0, last_norm=4.0), "warning", id="half of the decay"),
        pytest.param(shrinking(first_norm=4.1, last_norm=4.0), None, id="a gradient of more than half"),
        pytest.param(shrinking(first_norm=1e-6, last_norm=1.0, decay=1e-2), None, id="a layer without a gradient"),
        pytest.param(shrinking(first_norm=0.0), None, id="no gradient to compare with"),
    ],
)
def test_weights_that_shrink_while_nothing_is_learned(observations, severity) -> None:
    assert severity_of(StrongWeightDecay(), observations, "fc1.weight") == severity


def test_one_finding_stands_for_all() -> None:
    made = [f for n in (1, 2) for f in findings(StrongWeightDecay(), net(history(0.12, 60.0)), f"fc{n}.weight")]
    assert [f.message for f in made] == ["weight decay takes 12% of fc1.weight away per update"]


@pytest.mark.parametrize(
    ("observations", "is_over"),
    [
        pytest.param(shrinking(first_norm=0.0), False, id="it has silenced the network: no gradient is left"),
        pytest.param(shrinking(first_norm=0.0, to=0.9), True, id="the weight is large again"),
        pytest.param(shrinking(first_norm=0.0, lost=loss()), True, id="it learns"),
        pytest.param(net(history(1e-4, 0.1)), True, id="a decay of the weight itself that was lowered"),
    ],
)
def test_a_decay_that_left_no_gradient_is_not_over(observations, is_over) -> None:
    (made,) = findings(StrongWeightDecay(), shrinking(), "fc1.weight")
    readings = observations.readings(made.site)
    assert StrongWeightDecay().is_over(made, readings, made_now=False) is is_over
