"""SPK414 missing-optimizer-step: a table of numbers, no model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spikecheck.checks.spk414_missing_optimizer_step import MissingOptimizerStep
from spikecheck.site import IdleOptimizer
from tests.unit.checks.build import findings, observe, run, severity_of, unused

LIMITS = {name: value for name, (value, _) in MissingOptimizerStep.limits().items()}
CLEARED = unused(backward_passes=60, gradient_passes=60, cleared_passes=60)
ACCUMULATED = replace(CLEARED, cleared_passes=1)
ADAM = (IdleOptimizer("Adam", ("fc1.weight",)),)


def after(passes: int, **changed):
    return run(**{"update": 0, "backward_passes": passes, "idle_optimizers": ADAM, **changed})


@pytest.mark.parametrize(
    ("weight", "run", "severity"),
    [
        pytest.param(CLEARED, after(LIMITS["min_backward_passes"]), "error", id="step() is never called"),
        pytest.param(CLEARED, after(LIMITS["min_backward_passes"] - 1), None, id="just below the limit"),
        pytest.param(
            CLEARED,
            after(LIMITS["min_backward_passes"], idle_optimizers=(), foreign_optimizer="Adam"),
            "error",
            id="the optimizer of another model",
        ),
        pytest.param(
            CLEARED,
            after(LIMITS["min_passes_without_optimizer"], idle_optimizers=()),
            "error",
            id="no optimizer at all",
        ),
        pytest.param(
            CLEARED,
            after(LIMITS["min_passes_without_optimizer"] - 1, idle_optimizers=()),
            None,
            id="a look at the gradients without an optimizer",
        ),
        pytest.param(ACCUMULATED, after(LIMITS["min_accumulated_passes"]), "error", id="neither cleared nor used"),
        pytest.param(ACCUMULATED, after(LIMITS["min_accumulated_passes"] - 1), None, id="accumulated for an update"),
        pytest.param(
            ACCUMULATED,
            after(LIMITS["min_accumulated_passes_in_training"] - 1, live=True),
            None,
            id="the first update may still come",
        ),
        pytest.param(replace(CLEARED, moved_passes=1), after(400), None, id="the script moves the weights itself"),
        pytest.param(CLEARED, after(400, update=1), None, id="an optimizer steps"),
        pytest.param(replace(CLEARED, gradient_passes=20), after(400), None, id="most gradients are 0 or not finite"),
    ],
)
def test_judge(weight, run, severity) -> None:
    observations = observe({"fc1.weight": [weight]}, run=run)
    assert severity_of(MissingOptimizerStep(), observations, "fc1.weight") == severity


def test_one_finding_speaks_for_all_weights_and_names_the_optimizer() -> None:
    observations = observe({"fc1.weight": [CLEARED], "fc2.weight": [CLEARED]}, run=after(120))
    (finding,) = findings(MissingOptimizerStep(), observations, "fc1.weight")
    assert finding.message == "the weights never moved in 120 backward passes: step() of Adam is never called"
    assert not findings(MissingOptimizerStep(), observations, "fc2.weight")
