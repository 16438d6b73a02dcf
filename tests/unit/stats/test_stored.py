"""What is counted of a tensor in a file: the same as numpy counts, wherever the chunks are cut."""

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
def test_it_counts_as_numpy_does(rows: int, width: int, cuts: list[int], seed: int, bad: list) -> None:
    x = torch.randn(rows, width, generator=torch.Generator().manual_seed(seed))
    x[seed % rows] = 0
    for at, value in bad:
        x.view(-1)[at % x.numel()] = value
    stats = StoredStats((rows, width), "float32", rows=True)
    ends = sorted({0, *(cut for cut in cuts if cut < x.numel()), x.numel()})
    for start, end in pairwise(ends):
        stats.add(x.view(-1)[start:end])
    said, y = stats.summarize("weight"), x.double().numpy()
    good = y[np.isfinite(y)]
    assert (said.elements, said.nan, said.infinite) == (y.size, int(np.isnan(y).sum()), int(np.isinf(y).sum()))
    clean = np.where(np.isfinite(y), y, 0)
    assert said.zero_rows == int((clean == 0).all(axis=1).sum())
    assert stats.rows is not None
    np.testing.assert_allclose(stats.rows.positive.numpy(), np.maximum(clean, 0).sum(axis=1), rtol=1e-5, atol=1e-6)
    if good.size:
        assert said.rms == pytest.approx(np.sqrt((good**2).mean()), rel=1e-5)
        assert said.mean == pytest.approx(good.mean(), rel=1e-4, abs=1e-6)
        assert (said.minimum, said.maximum) == (good.min(), good.max())
    if good.size < y.size:
        assert said.first_non_finite == tuple(int(axis[0]) for axis in np.where(~np.isfinite(y)))


@pytest.mark.parametrize("size", [1e-30, 3e-23, 1e30, 3e38])
def test_squares_beyond_float32_are_counted(size: float) -> None:
    stats = StoredStats((4,), "float32", rows=False)
    stats.add(torch.full((4,), size))
    assert stats.summarize("bias").rms == pytest.approx(size, rel=1e-5)


@pytest.mark.parametrize("size", [1e-45, 1e-30, -1e-30])
def test_a_row_whose_squares_are_lost_in_float32_is_not_silent(size: float) -> None:
    stats = StoredStats((2, 3), "float32", rows=True)
    stats.add(torch.tensor([0, size, 0, 0, 0, 0]))
    assert stats.summarize("weight").zero_rows == 1


def test_a_difference_counts_what_moved_and_what_was_lost() -> None:
    difference = Difference()
    difference.add(torch.tensor([3.0, 4.0, 0.0]), torch.tensor([3.0, 4.5, float("nan")]))
    said = difference.summarize("w", (3,))
    assert (said.status, said.changed_elements, said.lost_elements, said.max_change) == ("changed", 1, 1, 0.5)
    assert said.relative_change == pytest.approx(0.1)
