"""One value that is not finite, in one batch: its place, its update and its time step are named, in default mode."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import spikecheck
from spikecheck.site import SiteKind
from tests.conformance.table import Kind, Net, batch, kinds

STEPS, SAMPLES, STEP = 5, 2, 3
MAIN = {kind.library: kind for kind in kinds() if kind.main}
LONG = pytest.mark.full  # a second in each library, or more
AFTER = 3  # updates in which it has spread everywhere


class Poisoned(Net):
    """The network of the libraries; `poison` is added to what the second layer is given."""

    def forward(self, x: Tensor) -> Tensor:
        if self.kind.reset is not None:
            self.kind.reset(self)
        x = self.kind.run(self.lif1, self.fc1(x))
        y: Tensor = self.kind.run(self.lif2, self.fc2(x) + self.poison).mean(0)
        return y


@pytest.mark.parametrize("library", MAIN)
@pytest.mark.parametrize(
    ("place", "update"),
    [
        ("input", 25),  # a forward pass whose input is read only because the layers show that something is wrong
        ("lif2", 25),
        *(pytest.param(*one, marks=LONG) for one in (("input", 5), ("lif2", 5), ("input", 500), ("lif2", 500))),
    ],
)
def test_its_origin_is_named(library: str, place: str, update: int) -> None:
    assert origin(MAIN[library], place, update) == (place, update, STEP)


@LONG
def test_its_origin_is_named_late_in_a_run() -> None:
    assert origin(MAIN["torch"], "lif2", 5000) == ("lif2", 5000, STEP)


def origin(kind: Kind, place: str, update: int) -> tuple[str, int, int | None]:
    """Return where, after how many updates and at which time step the first one is reported."""
    torch.manual_seed(0)
    model = Poisoned(kind)
    weights = (*model.fc1.parameters(), *model.fc2.parameters())  # a time constant that is trained may become NaN
    optimizer = torch.optim.Adam(weights, lr=1e-4)
    batches = [batch(STEPS, SAMPLES, seed=seed) for seed in range(8)]
    with spikecheck.attach(model, on_finding=lambda _: None) as monitor:
        for number in range(update + AFTER):
            x, y = batches[number % len(batches)]
            model.poison = torch.zeros(STEPS, 1, 1)
            if number == update and place == "input":
                x = x.index_put((torch.tensor(STEP), torch.tensor(1), torch.tensor(2)), torch.tensor(math.nan))
            elif number == update:
                model.poison[STEP] = math.nan
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
        causes = [cause.finding for cause in monitor.report().root_causes]
    (cause,) = [finding for finding in causes if finding.check == "SPK405"]
    assert causes[0] is cause
    assert cause.site.kind in SiteKind.INPUT | SiteKind.CURRENT
    return cause.site.name, cause.when.update, cause.when.time_step
