"""The state that a layer starts from in compiled code: what it is given, where that is more than what it keeps."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import spikecheck

UPDATES, STEPS = 12, 3


class Net(nn.Module):
    """A network that makes a fresh state in each forward pass, or goes on from the one before."""

    def __init__(self, *, resets: bool) -> None:
        super().__init__()
        snn = pytest.importorskip("snntorch")
        self.fc, self.lif, self.resets = nn.Linear(8, 4), snn.Leaky(beta=0.9), resets
        self.register_buffer("mem", torch.zeros(16, 4))

    def forward(self, x: Tensor) -> Tensor:
        mem, total = torch.zeros_like(self.mem) if self.resets else self.mem, 0.0
        for frame in x:
            _, mem = self.lif(self.fc(frame), mem)
            total = total + mem
        self.mem = mem.detach()
        return total


@pytest.mark.slow
@pytest.mark.parametrize("resets", [True, False])
def test_a_loss_that_is_compiled_with_the_model(resets: bool) -> None:
    torch._dynamo.reset()
    torch.manual_seed(0)
    model = Net(resets=resets)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    @torch.compile(backend="aot_eager")
    def loss_of(x: Tensor, y: Tensor) -> Tensor:
        return nn.functional.cross_entropy(model(x), y)

    with spikecheck.attach(model, on_finding=lambda _: None) as monitor:
        for _ in range(UPDATES):
            loss = loss_of(torch.rand(STEPS, 16, 8), torch.randint(4, (16,)))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert ("SPK208" in {finding.check for finding in monitor.report().findings}) is not resets
