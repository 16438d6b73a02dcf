"""SPK302 chance-plateau: a table of numbers, and many runs that were made up, no model."""

from __future__ import annotations

from math import log

import numpy as np
import pytest

from spikecheck.checks.discovery import merged_causes, own_checks
from spikecheck.checks.spk302_chance_plateau import ChancePlateau
from spikecheck.site import Moment
from tests.unit.checks.build import (
    findings,
    gradient,
    logits,
    loss,
    observe,
    parameter,
    run,
    severity_of,
    targets,
    update,
)

CHANCE = log(20)
INTERVAL = 16  # updates from one judgment to the next
WINDOW = 64
FLAT = {
    "updates": 200,
    "window": 64,
    "recent_mean": 3.0,
    "recent_deviation": 0.03,
    "recent_slope": 0.0,
    "recent_slope_error": 0.0002,
}
SLOW = {"recent_mean": CHANCE - 0.03, "recent_slope": -0.0005, "recent_slope_error": 0.0001}
FEW = targets(class_counts=(*(30,) * 5, *(11,) * 15))  # their entropy is ln 20 - 0.10
MOVING = update(mean_relative_norm=0.004)
STILL = update(mean_relative_norm=0.0)


def net(moved=MOVING, grad=None, rows=None, done=200, weight=None, labels=None, **changed):
    places = {
        "fc1.weight": [moved, grad or gradient(), weight or parameter()],
        "fc1.bias": [update(mean_relative_norm=1.0), gradient(dimensions=1), parameter(dimensions=1)],
        "loss": [rows or logits(), labels or targets(), loss(**(FLAT | changed))],
    }
    return observe(places, run=run(update=done))


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(net(), "error", id="flat at ln 20"),
        pytest.param(net(window=63, updates=63), None, id="too few losses"),
        pytest.param(net(**SLOW), None, id="a slow learner, below ln 20 and falling beyond doubt"),
        pytest.param(net(**SLOW | {"recent_mean": CHANCE - 0.014}), "error", id="below, within doubt"),
        pytest.param(net(**SLOW | {"recent_slope_error": 0.00013}), "error", id="falling, within doubt"),
        pytest.param(net(labels=FEW, **SLOW), "error", id="no better than the frequencies of the labels"),
        pytest.param(net(rows=logits(tied_rows=320), **SLOW), "error", id="equal logits, whose losses are rounded"),
        pytest.param(net(recent_mean=CHANCE + 0.099), "error", id="just below the upper limit"),
        pytest.param(net(recent_mean=CHANCE + 0.11), None, id="worse than a guess"),
        pytest.param(net(recent_mean=CHANCE - 0.049), "error", id="just above the lower limit"),
        pytest.param(net(recent_mean=CHANCE - 0.06), None, id="better than a guess"),
        pytest.param(net(recent_slope=-0.5 / 64), None, id="the slowest healthy network, as it passes ln 20"),
        pytest.param(net(recent_slope=-0.053 / 64), "error", id="a last bias that still learns"),
        pytest.param(net(recent_slope_error=0.001), None, id="too noisy to say"),
        pytest.param(net(recent_slope=0.5 / 64), "error", id="it rises"),
        pytest.param(net(recent_slope=None), None, id="no line"),
        pytest.param(net(classes=None), None, id="no classes"),
        pytest.param(net(classes=1), None, id="one class"),
        pytest.param(net(classes=10), None, id="not the chance of ten classes"),
        pytest.param(net(plain_mean=False), None, id="the loss is a sum, or weighted"),
        pytest.param(
            net(recent_mean=float("nan"), recent_slope=float("nan")), None, id="NaN is found by another check"
        ),
        pytest.param(net(STILL), None, id="a warm-up: the weights do not move yet"),
        pytest.param(net(update(mean_relative_norm=0.05 / 64)), "error", id="they move by just enough"),
        pytest.param(net(update(mean_relative_norm=1e-6)), None, id="a tiny learning rate"),
        pytest.param(net(STILL, gradient(zero_updates=20)), "error", id="they do not move, since no gradient comes"),
        pytest.param(
            net(STILL, gradient(zero_updates=10, missing_updates=10)),
            "error",
            id="they do not move: gradients are zero or missing",
        ),
        pytest.param(net(STILL, gradient(zero_updates=19)), None, id="they do not move, though one gradient came"),
        pytest.param(net(STILL, weight=parameter(dimensions=1)), None, id="biases alone do not count"),
    ],
)
def test_judge(observations, severity) -> None:
    assert severity_of(ChancePlateau(), observations, "loss") == severity


def test_during_training_more_losses_are_needed() -> None:
    for updates, severity in ((255, None), (256, "error")):
        observations = observe(
            {"fc1.weight": [MOVING, gradient(), parameter()], "loss": [loss(**(FLAT | {"updates": updates}))]},
            run=run(live=True, update=updates),
        )
        assert severity_of(ChancePlateau(), observations, "loss") == severity


def test_a_window_longer_than_the_remembered_losses_waits_for_them() -> None:
    patient = ChancePlateau(loss_window=128)
    assert severity_of(patient, net(updates=127), "loss") is None
    assert severity_of(patient, net(updates=128), "loss") == "error"


def test_losses_of_parts_of_a_batch_count_as_one_update() -> None:
    """Four losses an update: a loss that falls by 0.04 in 64 of them falls by 0.16 in 64 updates."""
    falling = {"recent_slope": -0.04 / 64, "recent_slope_error": 0.0}
    assert severity_of(ChancePlateau(), net(done=200, **falling), "loss") == "error"
    assert severity_of(ChancePlateau(), net(done=50, **falling), "loss") is None


def test_a_finding_gives_its_date_and_whether_all_logits_are_equal() -> None:
    [finding] = findings(ChancePlateau(), net(STILL, gradient(zero_updates=20), logits(tied_rows=320)), "loss")
    assert finding.message == "loss stays at 3.00; a uniform guess over 20 classes gives 3.00"
    assert "; all logits are equal; no weight receives a gradient" in finding.observed.text
    assert finding.when == Moment(200)
    [finding] = findings(ChancePlateau(), net(), "loss")
    assert "logits are equal" not in finding.observed.text
    assert "moves weights by 26% of their norm" in finding.observed.text


# -- a run that learns is called a plateau at most once in 1,000


def line(losses):
    """The fields that LossStats computes from the last losses."""
    t = np.arange(WINDOW) - (WINDOW - 1) / 2
    slope = t @ losses / (t @ t)
    deviation = np.sqrt(np.square(losses - losses.mean() - slope * t).sum() / (WINDOW - 2))
    return {
        "recent_mean": losses.mean(),
        "recent_slope": slope,
        "recent_deviation": deviation,
        "recent_slope_error": deviation / np.sqrt(t @ t),
    }


def stuck(losses) -> bool:
    """Whether a run is ever called a plateau, judged every INTERVAL updates as the monitor does."""
    for end in range(WINDOW, len(losses) + 1, INTERVAL):
        if abs(losses[end - WINDOW : end].mean() - CHANCE) > 0.2:
            continue  # far from chance: the table covers that
        observations = net(done=end, **(line(losses[end - WINDOW : end]) | {"updates": end}))
        if severity_of(ChancePlateau(), observations, "loss"):
            return True
    return False


def learning(random, fall=None, noise=None):
    """A run that starts somewhere near or above ln 20, waits on no plateau, and falls by `fall` in 64 updates."""
    fall = fall or float(np.exp(random.uniform(np.log(0.15), np.log(3.0))))
    noise = noise or float(np.exp(random.uniform(np.log(0.005), np.log(0.6))))
    start = CHANCE + random.choice([0.0, random.uniform(0.0, 2 * fall)])
    updates = int(64 * (start - CHANCE + 0.5) / fall) + WINDOW
    return start - fall / 64 * np.arange(updates) + noise * random.standard_normal(updates)


def test_at_most_one_of_1000_runs_that_learn_is_called_a_plateau() -> None:
    random = np.random.default_rng(0)
    assert sum(stuck(learning(random)) for _ in range(1000)) <= 1


def test_at_most_one_of_1000_runs_at_the_limit_of_the_fall_is_called_a_plateau() -> None:
    random = np.random.default_rng(1)
    wrong = sum(stuck(learning(random, fall=0.15, noise=noise)) for noise in (0.01, 0.03, 0.08) for _ in range(1000))
    assert wrong <= 3


def test_at_most_one_of_1000_slower_runs_that_fall_beyond_doubt_is_called_a_plateau() -> None:
    random = np.random.default_rng(3)

    def slow():
        noise = float(np.exp(random.uniform(np.log(0.005), np.log(0.02))))
        below, fall = 10 * noise / np.sqrt(WINDOW), 8 * noise * np.sqrt(12 / WINDOW)
        t = np.linspace(-0.5, 0.5, WINDOW)
        return CHANCE - below - fall * t + noise * random.standard_normal(WINDOW)

    assert sum(stuck(slow()) for _ in range(1000)) <= 1


def test_runs_that_are_stuck_are_found() -> None:
    random = np.random.default_rng(2)
    runs = [CHANCE + 0.01 + 0.035 * random.standard_normal(WINDOW) for _ in range(300)]
    assert sum(map(stuck, runs)) >= 0.95 * len(runs)


@pytest.mark.parametrize("check", ["SPK110", "SPK206", "SPK210", "SPK408", "SPK416", "SPK419"])
def test_it_is_the_consequence_of_a_cause_that_leaves_nothing_to_learn(check: str) -> None:
    relation = merged_causes(own_checks().values())
    assert check in relation["SPK302"]
