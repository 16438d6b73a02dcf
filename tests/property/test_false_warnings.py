"""Checks that judge by chance warn at most once in 1000 healthy runs, simulated by the law that each check states.

SPK302 has its own in `tests/unit/checks/test_spk302_chance_plateau.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch

from spikecheck.checks.spk106_swapped_axes import SwappedAxes
from spikecheck.checks.spk203_dead_layer import DeadLayer
from spikecheck.checks.spk307_one_class_targets import OneClassTargets
from spikecheck.checks.spk308_imbalanced_targets import ImbalancedTargets
from spikecheck.checks.spk309_constant_prediction import ConstantPrediction
from spikecheck.stats.shares import ShareState
from tests.unit.checks.build import flow, inputs, logits, observe, run, severity_of, spikes, targets

RUNS, WRONG = 1000, 1
LOOKS = (16, 32, 48, 64, 80, 96, 128, 192, 256)  # forward passes or updates after which a run is judged

Looks = Iterator[str | None]


def warned(looks: Callable[[np.random.Generator], Looks], seed: int = 0) -> int:
    """Return how many runs had a warning at any look."""
    random = np.random.default_rng(seed)
    return sum(any(severity in ("warning", "error") for severity in looks(random)) for _ in range(RUNS))


# -- SPK106: samples that are drawn again for each batch


def batches(random: np.random.Generator, samples: int, swapped: bool) -> Looks:
    """Spikes of each sample: a class's rate, which differs threefold, and chance; swapped, they follow the time."""
    course = np.exp(random.normal(0, 0.5, samples))
    rates = course if swapped else np.exp(random.uniform(0, np.log(3), (64, samples)))
    counts = random.poisson(40 * np.broadcast_to(rates, (64, samples)))
    parts = torch.from_numpy(counts / counts.mean(1, keepdims=True))
    for forward in (16, 24, 32, 64):
        prefix = parts[:forward]
        share = ShareState(
            prefix.sum(0), prefix.square().sum(0), torch.full((samples,), float(forward))
        ).variance_explained()
        read = spikes(sample_variance_share=share, step_variance_share=0.0, forward_passes=forward)
        yield severity_of(SwappedAxes(), observe({"input": [inputs()], "lif1": [read]}), "input")


def test_samples_that_are_drawn_again_are_not_taken_for_time_steps() -> None:
    assert warned(lambda random: batches(random, 2 + random.poisson(3), swapped=False)) <= WRONG


def test_time_steps_in_the_place_of_samples_are_found() -> None:
    assert warned(lambda random: batches(random, 16, swapped=True)) >= 0.99 * RUNS


# -- SPK203: a layer of which 10 spikes are expected in ten forward passes


def layer(random: np.random.Generator, expected: float) -> Looks:
    """A layer's spikes in recent forward passes: the last 10 at first, then the last 16 to 32."""
    counts = random.poisson(expected / 10, 256)
    for forward in (10, *LOOKS):
        count = float(counts[max(0, forward - 32) : forward].sum())
        read = spikes(count=count, active=int(count), forward_passes=min(forward, 32))
        observations = observe({"lif1": [read, flow()]}, run=run(live=True, update=forward))
        yield severity_of(DeadLayer(), observations, "lif1")


def test_a_layer_that_fires_now_and_then_is_not_called_silent() -> None:
    assert warned(lambda random: layer(random, expected=10.0)) <= WRONG


def test_a_silent_layer_is() -> None:
    assert warned(lambda random: layer(random, expected=0.0)) == RUNS


# -- SPK307 and SPK308: labels of which the most frequent class has at most 0.89, or 0.75


def labels(random: np.random.Generator, check: OneClassTargets | ImbalancedTargets, share: float) -> Looks:
    """Labels of two to twenty classes, counted batch by batch, of a network that predicts the most frequent one."""
    classes = int(random.integers(2, 21))
    prior = np.full(classes, (1 - share) / (classes - 1))
    prior[0] = share
    batch = int(random.choice([8, 32, 64]))
    counts = np.cumsum(random.multinomial(batch, prior, 256), axis=0)
    for update in LOOKS:
        prefix = counts[update - 1]
        here = np.flatnonzero(prefix)
        read = targets(
            class_counts=tuple(map(int, prefix)),
            classes=classes,
            samples=batch * update,
            updates=update,
            minimum=int(here[0]),
            maximum=int(here[-1]),
        )
        top = logits(
            rows=batch, decided_rows=batch, top_class_rows=batch, top_class=int(prefix.argmax()), classes=classes
        )
        yield severity_of(check, observe({"loss": [read, top]}, run=run(live=True, update=update)), "loss")


def test_labels_of_several_classes_are_not_called_one() -> None:
    assert warned(lambda random: labels(random, OneClassTargets(), random.uniform(0.5, 0.89))) <= WRONG


def test_labels_of_one_class_are() -> None:
    assert warned(lambda random: labels(random, OneClassTargets(), 1.0)) == RUNS


def test_labels_of_mild_imbalance_are_left_alone() -> None:
    assert warned(lambda random: labels(random, ImbalancedTargets(), random.uniform(0.2, 0.75))) <= WRONG


def test_labels_of_hardly_more_than_one_class_are_not() -> None:
    assert warned(lambda random: labels(random, ImbalancedTargets(), 0.95)) >= 0.99 * RUNS


# -- SPK309: predictions of which the favorite class has at most 0.8


def predictions(random: np.random.Generator, share: float) -> Looks:
    """Predicted classes in the recent 32 updates, of batches of 8 or more; a third of the labels are of one class."""
    batch = int(random.choice([8, 32, 64]))
    top_class_rows = random.binomial(batch, share, 256)
    for update in LOOKS:
        recent = top_class_rows[max(0, update - 32) : update]
        rows = batch * len(recent)
        read = logits(rows=rows, decided_rows=rows, top_class_rows=int(recent.sum()), top_class=3)
        known = targets(samples=rows, class_counts=(rows // 3, rows - rows // 3 - rows // 3, rows // 3))
        observations = observe({"loss": [read, known]}, run=run(live=True, update=update))
        yield severity_of(ConstantPrediction(), observations, "loss")


def test_a_favorite_class_is_not_called_the_only_one() -> None:
    assert warned(lambda random: predictions(random, random.uniform(0.3, 0.8))) <= WRONG


def test_an_only_class_is() -> None:
    assert warned(lambda random: predictions(random, 0.99)) >= 0.99 * RUNS
