"""Whether a network learns: a table of losses as runs show them, over labels, numbers and neither."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from statistics import fmean
from typing import Any

import pytest

from spikecheck.checks.base import Readings
from spikecheck.checks.learning import (
    Learning,
    far_from_learned,
    has_learned,
    is_near_guess,
    losses_without_learning,
    makes_progress,
    too_few_losses,
)
from spikecheck.readings import LossReading, NonFinite, RegressionTargetReading
from tests.unit.checks.build import observe, targets

WINDOW = 64


def reading(values: Sequence[float], **changed: Any) -> LossReading:
    """What the statistics say of these losses, one per update."""
    recent = values[-WINDOW:]
    n, mean = len(recent), fmean(recent)
    times = [i - (n - 1) / 2 for i in range(n)]
    spread = sum(t * t for t in times)
    slope = sum(t * v for t, v in zip(times, recent, strict=True)) / spread if n > 2 else None
    deviation = error = None
    if slope is not None:
        residual = sum((v - mean - slope * t) ** 2 for t, v in zip(times, recent, strict=True))
        deviation = math.sqrt(residual / (n - 2))
        error = deviation / math.sqrt(spread)
    bad = sum(not math.isfinite(v) for v in values)
    facts: dict[str, Any] = {
        "function": "cross_entropy", "updates": len(values), "first": values[0], "last": values[-1],
        "minimum": min(values), "window": n, "recent_mean": mean, "recent_deviation": deviation, "recent_slope": slope,
        "recent_slope_error": error, "classes": 20, "plain_mean": True, "non_finite": NonFinite(bad, len(values)),
        "trace": tuple(enumerate(values))[:: max(1, len(values) // 128)], "latest": tuple(values[-8:]),
    }  # fmt: skip
    return LossReading(**(facts | changed))


def course(level: Callable[[float], float], updates: int = 200, noise: float = 0.02, seed: int = 0) -> list[float]:
    """Losses around a level that depends on the part of the run that is over."""
    random = Random(seed)
    return [level(i / (updates - 1)) * (1 + random.gauss(0, noise)) for i in range(updates)]


def falling(start: float, end: float) -> Callable[[float], float]:
    return lambda part: start + (end - start) * min(1, 2 * part)


def flat(level: float) -> Callable[[float], float]:
    return lambda part: level


def numbers(mean: float, variance: float) -> RegressionTargetReading:
    return RegressionTargetReading(
        100, 1000, mean - 1, mean + 1, 0, 1, (), 8, target_mean=mean, target_variance=variance
    )


LN20 = math.log(20)
OTHER = {"classes": None, "plain_mean": False, "function": "backward"}
SQUARES = {"classes": None, "function": "mse_loss"}
LOGISTIC = {"classes": None, "function": "binary_cross_entropy_with_logits"}
RARE = [targets(class_counts=(950, 50), classes=2)]


@pytest.mark.parametrize(
    ("loss", "beside", "learned", "progress"),
    [
        pytest.param(reading(course(flat(LN20))), [], False, False, id="at chance"),
        pytest.param(reading(course(falling(60, LN20))), [], False, True, id="from large logits down to chance"),
        pytest.param(reading(course(falling(LN20, 0.4))), [], True, True, id="learned"),
        pytest.param(reading(course(falling(LN20, 2.6), updates=40)), [], True, True, id="a short run that learned"),
        pytest.param(reading(course(flat(0.5))), [], True, True, id="a late stage: low and flat"),
        pytest.param(
            reading(course(lambda t: 0.5 if t < 0.4 else 3.2)), [], False, False, id="learned, and lost again"
        ),
        pytest.param(reading(course(flat(0.3), noise=0.005), classes=2), [], True, True, id="two classes, learned"),
        pytest.param(
            reading(course(flat(0.198), noise=0.005), classes=2), RARE, False, False, id="the rare class unseen"
        ),
        pytest.param(reading([*course(falling(LN20, 1.0)), math.nan]), [], False, False, id="not finite"),
        pytest.param(reading([3.0, 3.1]), [], False, False, id="two losses"),
        pytest.param(
            reading(course(falling(1.2, 0.25)), **SQUARES),
            [numbers(0.5, 0.25)],
            False,
            True,
            id="squares: each output's mean",
        ),
        pytest.param(
            reading(course(falling(1.2, 0.05)), **SQUARES), [numbers(0.5, 0.25)], True, True, id="squares: learned"
        ),
        pytest.param(
            reading(course(flat(0.09)), **SQUARES),
            [numbers(0.1, 0.09)],
            False,
            False,
            id="squares of one-hot targets: a tenth everywhere",
        ),
        pytest.param(reading(course(flat(0.69)), **LOGISTIC), [numbers(0.5, 0.25)], False, False, id="binary: a coin"),
        pytest.param(
            reading(course(falling(0.69, 0.1)), **LOGISTIC), [numbers(0.5, 0.25)], True, True, id="binary: learned"
        ),
        pytest.param(reading(course(flat(1.0), noise=0.3), **OTHER), [], False, False, id="a noisy metric loss"),
        pytest.param(
            reading(course(falling(24, 13), noise=0.3, seed=1), **OTHER), [], True, True, id="a noisy one that falls"
        ),
        pytest.param(reading(course(falling(3.7, 1.8)), **OTHER), [], True, True, id="a metric loss that falls"),
        pytest.param(reading(course(falling(-0.2, -0.8)), **OTHER), [], True, True, id="a loss below 0"),
        pytest.param(reading(course(falling(1.0, 0.97), noise=0.001), **OTHER), [], False, False, id="barely moved"),
        pytest.param(
            reading(course(lambda t: 1.0 - 0.08 * t, noise=0.001), **OTHER),
            [],
            False,
            True,
            id="falls slowly, beyond doubt",
        ),
        pytest.param(
            reading(course(falling(90.0, 20.0)), plain_mean=False), [], True, True, id="a sum, or class weights"
        ),
    ],
)
def test_one_loss(loss: LossReading, beside: list[Any], learned: bool, progress: bool) -> None:
    readings = Readings(observe({"loss": [loss, *beside]}), "loss")
    assert (has_learned(readings), makes_progress(readings)) == (learned, progress)


def both(first: LossReading, second: LossReading) -> Readings:
    return Readings(observe({"loss": [first], "loss 2": [second]}), "loss")


def test_a_penalty_that_falls_is_no_learning() -> None:
    readings = both(reading(course(flat(LN20))), reading(course(falling(1.0, 0.1)), **OTHER))
    assert not has_learned(readings)
    assert makes_progress(readings)


def test_of_two_tasks_one_is_enough() -> None:
    assert has_learned(both(reading(course(flat(LN20))), reading(course(falling(LN20, 0.3)))))


def test_without_a_loss_nothing_is_known_to_be_learned() -> None:
    readings = Readings(observe({"lif1": []}), "lif1")
    assert not has_learned(readings)
    assert not makes_progress(readings)


@pytest.mark.parametrize("seed", range(20))
def test_noise_at_chance_is_no_learning(seed: int) -> None:
    loss = reading(course(flat(LN20), updates=30 + 7 * seed, noise=0.03, seed=seed))
    assert not Learning.of(loss, None, None).has_learned


@pytest.mark.parametrize(
    ("loss", "losses"),
    [
        pytest.param(reading(course(flat(LN20))), 200, id="at chance"),
        pytest.param(reading(course(flat(LN20), updates=60)), None, id="at chance, with few losses"),
        pytest.param(reading(course(falling(LN20, 0.3))), None, id="learns"),
        pytest.param(reading(course(falling(90.0, LN20))), 200, id="falls to chance and stays there"),
        pytest.param(reading(course(falling(1.0, 0.5)), **OTHER), None, id="another loss that falls"),
        pytest.param(reading(course(flat(1.0)), **OTHER), 200, id="another loss that does not"),
    ],
)
def test_after_how_many_losses_nothing_is_learned(loss: LossReading, losses: int | None) -> None:
    assert losses_without_learning(Readings(observe({"loss": [loss]}), "loss")) == losses


@pytest.mark.parametrize(
    ("loss", "far"),
    [
        pytest.param(reading(course(falling(LN20, 2.4), noise=1e-3)), (2.4, LN20, False), id="stopped"),
        pytest.param(reading(course(lambda part: LN20 - part, noise=1e-3)), (2.12, LN20, True), id="still falls"),
        pytest.param(reading(course(falling(LN20, 1.2), noise=0)), None, id="below half of a guess"),
        pytest.param(reading(course(flat(LN20), noise=0)), None, id="nothing learned"),
        pytest.param(reading(course(falling(LN20, 2.4), updates=60, noise=0)), None, id="a short run"),
        pytest.param(reading(course(falling(LN20, 2.4), noise=0), **OTHER), None, id="no known guess"),
    ],
)
def test_how_far_the_loss_is_from_learned(loss: LossReading, far: tuple[float, float, bool] | None) -> None:
    observed = far_from_learned(Readings(observe({"loss": [loss]}), ""))
    assert observed == (None if far is None else pytest.approx(far, rel=0.01))


@pytest.mark.parametrize(
    ("loss", "losses"),
    [
        pytest.param(reading(course(flat(LN20), updates=60, noise=1e-3)), 60, id="nothing yet"),
        pytest.param(reading(course(flat(LN20), updates=64, noise=1e-3)), None, id="enough"),
        pytest.param(reading(course(falling(LN20, 1.0), updates=60, noise=1e-3)), None, id="it learns"),
    ],
)
def test_how_many_losses_are_too_few_to_tell(loss: LossReading, losses: int | None) -> None:
    assert too_few_losses(Readings(observe({"loss": [loss]}), "")) == losses


def test_a_network_that_has_learned_one_task_is_not_far_from_learned() -> None:
    slow, fast = (reading(course(falling(LN20, end), noise=0)) for end in (2.4, 0.5))
    assert far_from_learned(Readings(observe({"loss": [slow], "loss 2": [fast]}), "")) is None


@pytest.mark.parametrize(("end", "learned"), [(1.2, True), (9.0, False)])
def test_a_divergence_from_a_teacher_counts_beside_a_small_loss_with_a_guess(end: float, learned: bool) -> None:
    features = reading(course(flat(0.12)), **SQUARES)
    teacher = reading(course(falling(11.5, end)), classes=None, plain_mean=False, function="kl_div")
    places: dict[str, list[Any]] = {"loss": [teacher], "loss 2": [features, numbers(0.3, 0.12)]}
    readings = Readings(observe(places), "")
    assert has_learned(readings) is learned
    assert (losses_without_learning(readings) is None) is learned


@pytest.mark.parametrize(
    ("last", "learned"),
    [
        pytest.param([0.1, 0.2] * 4, True, id="far below a guess"),
        pytest.param([0.1, 0.2] * 3 + [0.1, 3.0], False, id="one is not"),
        pytest.param([0.1, 0.2] * 3, False, id="too few"),
        pytest.param([2.8, 2.93] * 4, False, id="so near to it that chance may do this"),
        pytest.param([0.1, 0.2] * 3 + [0.1, float("nan")], False, id="one is not finite"),
    ],
)
def test_the_latest_losses_count_where_a_jump_is_over(last: list[float], learned: bool) -> None:
    loss = replace(reading([300.0] * 40), latest=tuple(last))
    assert Learning.of(loss, None, None).has_learned is learned


def test_losses_of_one_piece_of_a_recording_are_not_the_latest() -> None:
    """The course of a long run is thinned out: here to the one piece of each recording that any network predicts."""
    thinned = replace(reading([0.1, 3.5, 3.5, 3.5] * 16), trace=tuple((update, 0.1) for update in range(0, 800, 8)))
    assert not Learning.of(thinned, None, None).has_learned


def test_in_a_long_run_the_level_is_that_of_all_latest_losses() -> None:
    """The losses that are kept of a long run are thinned out, and may all be of the same piece of a recording."""
    pieces = [0.1, 3.0, 3.0, 3.0]
    loss = replace(reading(pieces * 16), updates=800, trace=tuple((update, 0.1) for update in range(0, 800, 8)))
    assert Learning.of(loss, None, None).level == pytest.approx(fmean(pieces))


def test_a_steep_start_does_not_blur_the_latest_losses() -> None:
    """Losses fall from 8.5 to 1.0 in 16 updates, and stay at 1.0, below that of a guess over four classes, 1.39."""
    values = course(lambda part: max(1.0, 8.5 * math.exp(-part * 8)), updates=64, noise=0.1)
    assert Learning.of(reading(values, classes=4), None, None).has_learned


@pytest.mark.parametrize(("level", "near"), [(0.7, True), (3.2, True), (3.4, False)])
def test_smoothed_labels_leave_the_loss_of_equal_logits_known(level: float, near: bool) -> None:
    smoothed = reading(course(flat(level), noise=0), plain_mean=False)
    assert is_near_guess(Readings(observe({"loss": [smoothed]}), "loss")) is near
