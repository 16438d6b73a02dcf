"""The reductions of a raster are the same, whether the values are read in one piece or a few time steps at a time."""

from __future__ import annotations

import math

import pytest
import torch

from spikecheck.site import Capture, Layout, Site, SiteKind
from spikecheck.stats.layout import CHUNK_BYTES, LARGE_STEP, Raster

BATCH = 64
STEP_BYTES = 4 * LARGE_STEP
PER_CHUNK = CHUNK_BYTES // STEP_BYTES


def capture(steps: int, dtype: torch.dtype = torch.float32) -> Capture[torch.Tensor]:
    """Return spikes of so many time steps, each just large enough to be read in chunks."""
    made = torch.Generator().manual_seed(0)
    shape = (BATCH, LARGE_STEP // BATCH)
    values = tuple(torch.randint(0, 3, shape, generator=made).to(dtype) for _ in range(steps))
    site = Site(SiteKind.SPIKES, "lif1")
    return Capture((site,), values, Layout(0, 1), stacked=True)


@pytest.mark.parametrize("steps", [1, PER_CHUNK - 1, PER_CHUNK, PER_CHUNK + 1, 2 * PER_CHUNK + 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bool, torch.uint8])
def test_chunks_and_the_whole_agree(steps: int, dtype: torch.dtype) -> None:
    one = capture(steps, dtype)
    whole, chunked = Raster(one), Raster(one, whole=False)
    for expected, read in zip(whole.batch_sums_and_step_maxima, chunked.batch_sums_and_step_maxima, strict=True):
        assert read.dtype == expected.dtype
        assert torch.equal(read, expected)
    assert "x" in vars(whole)
    assert "x" not in vars(chunked)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_stays_in_its_time_step(bad: float) -> None:
    one = capture(PER_CHUNK + 2)
    one.values[PER_CHUNK][3, 5] = bad
    sums, _ = Raster(one, whole=False).batch_sums_and_step_maxima
    finite = torch.isfinite(sums).all(1)
    assert finite.tolist() == [step != PER_CHUNK for step in range(PER_CHUNK + 2)]
