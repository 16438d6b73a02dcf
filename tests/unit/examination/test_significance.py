"""The exact tests, against numbers computed by scipy.stats."""

from __future__ import annotations

import pytest

from spikecheck.examination.significance import binomial_tail, sign_test


@pytest.mark.parametrize(
    ("successes", "trials", "probability", "p"),
    [(60, 100, 0.5, 0.02844397), (5, 5, 0.5, 0.03125), (0, 9, 0.3, 1.0), (3, 9, 0.0, 0.0), (3, 9, 1.0, 1.0)],
)
def test_binomial_tail(successes, trials, probability, p) -> None:
    assert binomial_tail(successes, trials, probability) == pytest.approx(p, rel=1e-6)


def test_the_sign_test_counts_samples_that_differ() -> None:
    assert sign_test([False] * 5 + [True] * 9, [True] * 14) == pytest.approx(0.5**5)
    assert sign_test([True], [False]) == 1.0
    assert sign_test([True], [True]) == 1.0
