"""Statistics of a stored tensor equal those of numpy, for any division into chunks."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spikecheck.stats.stored import Difference, StoredStats


@given(
    rows=st.integers(1, 9),
    width=st.integers(1, 9),
    cuts=st.lists(st.integers(0, 81), max_size=6),
    seed=st.integers(0, 99),
    bad=st.lists(st.tuples(st.integers(0, 80), st.sampled_from([float("nan"), float("inf")])), max_size=3),
)
def test_the_statistics_equal_those_of_numpy(rows: int, width: int, cuts: list[int], seed: int, bad: list) -> None:
    x = torch.randn(rows, width, generator=torch.Generator().manual_seed(seed))
    x[seed % rows] = 0
    for at, value in bad:
        x.view(-1)[at % x.numel()] = value
    stats = StoredStats((rows, width), "float32", rows=True)
    ends = sorted({0, *(cut for cut in cuts if cut < x.numel()), x.numel()})
    for start, end in pairwise(ends):
        stats.add(x.view(-1)[start:end])
    reading, y = stats.summarize("weight"), x.double().numpy()
    good = y[np.isfinite(y)]
    assert (reading.elements, reading.nan, reading.infinite) == (y.size, int(np.isnan(y).sum()), int(np.isinf(y).sum()))
    clean = np.where(np.isfinite(y), y, 0)
    assert reading.zero_rows == int((clean == 0).all(axis=1).sum())
    assert stats.rows is not None
    np.testing.assert_allclose(stats.rows.positive.numpy(), np.maximum(clean, 0).sum(axis=1), rtol=1e-5, atol=1e-6)
    if good.size:
        assert reading.rms == pytest.approx(np.sqrt((good**2).mean()), rel=1e-5)
        assert reading.mean == pytest.approx(good.mean(), rel=1e-4, abs=1e-6)
        assert (reading.minimum, reading.maximum) == (good.min(), good.max())
    if good.size < y.size:
        assert reading.first_non_finite == tuple(int(axis[0]) for axis in np.where(~np.isfinite(y)))


@pytest.mark.parametrize("size", [1e-30, 3e-23, 1e30, 3e38])
def test_squares_beyond_float32_are_measured(size: float) -> None:
    stats = StoredStats((4,), "float32", rows=False)
    stats.add(torch.full((4,), size))
    assert stats.summarize("bias").rms == pytest.approx(size, rel=1e-5)


@pytest.mark.parametrize("size", [1e-45, 1e-30, -1e-30])
def test_a_row_whose_squares_underflow_float32_is_not_zero(size: float) -> None:
    stats = StoredStats((2, 3), "float32", rows=True)
    stats.add(torch.tensor([0, size, 0, 0, 0, 0]))
    assert stats.summarize("weight").zero_rows == 1


def test_a_difference_counts_changed_and_lost_elements() -> None:
    difference = Difference()
    difference.add(torch.tensor([3.0, 4.0, 0.0]), torch.tensor([3.0, 4.5, float("nan")]))
    reading = difference.summarize("w", (3,))
    assert (reading.status, reading.changed_elements, reading.lost_elements, reading.max_change) == (
        "changed",
        1,
        1,
        0.5,
    )
    assert reading.relative_change == pytest.approx(0.1)
