"""The plugin is tried in pytest runs of their own, each in a fresh process."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.house.tree import ROOT

NETWORK = """
import torch
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)


class Spike(torch.autograd.Function):
    @staticmethod
    def forward(ctx, over):
        ctx.save_for_backward(over)
        return (over >= 0).float()

    @staticmethod
    def backward(ctx, gradient):
        return gradient / (1 + 5 * ctx.saved_tensors[0].abs()) ** 2


class LIF(nn.Module):
    def __init__(self, threshold):
        super().__init__()
        self.threshold = threshold

    def forward(self, current):
        v, out = torch.zeros_like(current[:, 0]), []
        for step in current.unbind(1):
            v = 0.8 * v + step
            out.append(Spike.apply(v - self.threshold))
            v = v * (1 - out[-1])
        return torch.stack(out, 1)


class Net(nn.Module):
    def __init__(self, threshold=0.5):
        super().__init__()
        self.fc1, self.lif1, self.fc2 = nn.Linear(8, 12), LIF(threshold), nn.Linear(12, 3)

    def forward(self, x):
        return self.fc2(self.lif1(self.fc1(x))).mean(1)


torch.manual_seed(0)
x, y = (torch.rand(9, 7, 8) < 0.3).float(), torch.arange(9) % 3


def run(model, updates=3):
    optimizer = torch.optim.Adam(model.parameters())
    for _ in range(updates):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
"""


class Runs:
    """Starts pytest on files that are given as text, and keeps it from the settings of this repository."""

    def __init__(self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pytester, self.path = pytester, pytester.path
        self.patch = monkeypatch
        monkeypatch.setenv("PYTHONPATH", str(ROOT))
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
        pytester.makepyfile(network=NETWORK)

    def first_on_path(self, folder: Path) -> None:
        """Let the processes find packages there before any other."""
        self.patch.setenv("PYTHONPATH", os.pathsep.join([str(folder), str(ROOT)]))

    def __call__(self, *arguments: str, **files: str) -> pytest.RunResult:
        if files:
            self.pytester.makepyfile(**files)
        order = [] if "--randomly-seed" in arguments else ["-p", "no:randomly"]
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *order, *arguments]
        return self.pytester.run(*command, timeout=300)


@pytest.fixture
def runs(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Runs:
    return Runs(pytester, monkeypatch)
