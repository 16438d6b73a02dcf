"""Restore the process-wide settings that a benchmark changes."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True)
def restore_settings():
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    yield
    torch.set_num_threads(threads)
    torch.set_rng_state(state)
