"""A model whose parts are called one by one, as those of an nn.ModuleDict: the input is that of each forward pass."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

import spikecheck
from spikecheck.readings import EvaluationInputReading, InputReading
from tests.promises.networks import LIF

STEPS, BATCH, INPUTS, HIDDEN = 6, 8, 10, 12
UPDATES = 20  # more than the first ones, of which every forward pass is measured in full


def test_the_input_of_an_evaluation_is_measured_whole_after_a_training_pass_that_was_not() -> None:
    net = nn.ModuleDict({"fc": nn.Linear(INPUTS, HIDDEN), "lif": LIF(threshold=0.3), "out": nn.Linear(HIDDEN, 3)})
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)

    def logits() -> torch.Tensor:
        x = (torch.rand(STEPS, BATCH, INPUTS) < 0.4).float()
        return net["out"](net["lif"](net["fc"](x))).mean(0)

    with spikecheck.attach(net, on_finding=lambda _: None) as monitor:
        for _ in range(UPDATES):
            optimizer.zero_grad()
            F.cross_entropy(logits(), torch.randint(3, (BATCH,))).backward()
            optimizer.step()
        with torch.no_grad():
            for _ in range(3):  # the next one ends the one before
                logits()
    read = monitor.evidence().observations.windows["all"]["input"]
    assert read[InputReading].shape == read[EvaluationInputReading].shape == (STEPS, BATCH, INPUTS)
    assert read[EvaluationInputReading].maximum == 1
