"""What a benchmark sets for a whole process is put back after each test."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True)
def as_before():
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    yield
    torch.set_num_threads(threads)
    torch.set_rng_state(state)
