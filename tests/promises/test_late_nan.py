"""NaN that enters late is told of within a few updates, and dated to the update in which it entered."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import spikecheck
from spikecheck.announcements import PATIENCE
from spikecheck.finding import Finding
from tests.promises.networks import BATCH, CLASSES, INPUTS, STEPS, by_hand


@pytest.mark.parametrize("entered", [33, 100])
def test_a_late_nan_is_told_of_within_a_few_updates(entered: int) -> None:
    torch.manual_seed(0)
    model = by_hand()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    warned: list[tuple[int, Finding]] = []
    with spikecheck.attach(model, on_finding=lambda finding: warned.append((update, finding))):
        for update in range(entered + 2 * PATIENCE):
            x = (torch.rand(STEPS, BATCH, INPUTS) < 0.3).float()
            if update == entered:
                x[3, 0, 5] = torch.nan
            loss = nn.functional.cross_entropy(model(x), torch.randint(CLASSES, (BATCH,)))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    updates = [at for at, finding in warned if finding.check == "SPK405" and finding.when.update == entered]
    assert updates
    assert min(updates) <= entered + PATIENCE
