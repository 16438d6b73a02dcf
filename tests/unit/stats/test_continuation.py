"""The state at the beginning of a sequence goes with the first current, where the sequence continues the one before."""

from __future__ import annotations

from functools import reduce
from operator import add

import pytest
import torch
from torch import Tensor

from spikecheck.site import Capture, Site, SiteKind
from spikecheck.stats.states import MIN_SAMPLES, InitialStateStats

SITE, BATCHES, NEURONS = (Site(SiteKind.STATE, "lif"),), 12, 24


def score_of(*starts: tuple[Tensor, Tensor]) -> float | None:
    """Return the score of sequences, of each the state and the first current."""
    statistic = InitialStateStats()
    states = [statistic.measure(Capture(SITE, (state,), step_tensors=(current,))) for state, current in starts]
    [reading] = statistic.summarize(reduce(add, states))
    return reading.continuation_score


def batches(samples: int, *, continued: bool) -> list[tuple[Tensor, Tensor]]:
    """Draw states and currents, where a third of the current is what also made the state."""
    torch.manual_seed(0)
    starts = []
    for _ in range(BATCHES):
        pattern, noise = torch.randn(samples, NEURONS), torch.randn(samples, NEURONS)
        other = pattern if continued else torch.randn(samples, NEURONS)
        starts.append((pattern + torch.randn(samples, NEURONS), 0.5 * other + noise + 3))
    return starts


def test_a_continued_sequence_has_a_high_score() -> None:
    score = score_of(*batches(16, continued=True))
    assert score is not None
    assert score > 10


def test_unrelated_sequences_have_a_score_around_0() -> None:
    score = score_of(*batches(16, continued=False))
    assert score is not None
    assert abs(score) < 3


def test_what_all_samples_have_in_common_does_not_count() -> None:
    common = 100 * torch.randn(NEURONS, generator=torch.Generator().manual_seed(0))
    score = score_of(*[(state + common, current + common) for state, current in batches(16, continued=False)])
    assert score is not None
    assert abs(score) < 3


@pytest.mark.parametrize(("samples", "compared"), [(MIN_SAMPLES - 1, False), (MIN_SAMPLES, True)])
def test_a_few_samples_are_needed(samples: int, compared: bool) -> None:
    assert (score_of(*batches(samples, continued=True)) is not None) is compared


@pytest.mark.parametrize(
    "state",
    [
        pytest.param(torch.zeros(8, NEURONS), id="after a reset"),
        pytest.param(torch.ones(8, NEURONS), id="the same for all samples"),
        pytest.param(torch.zeros(1), id="of another shape"),
        pytest.param(torch.full((8, NEURONS), torch.nan), id="not a number"),
    ],
)
def test_a_state_that_tells_nothing_has_no_score(state: Tensor) -> None:
    assert score_of((state, torch.randn(8, NEURONS))) is None


def test_without_a_current_there_is_no_score() -> None:
    statistic = InitialStateStats()
    [reading] = statistic.summarize(statistic.measure(Capture(SITE, (torch.randn(8, NEURONS),))))
    assert reading.continuation_score is None
