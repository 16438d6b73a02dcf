"""SPK111 duplicate-channels: a table of numbers, no model."""

from __future__ import annotations

import pytest
import torch

from spikecheck.checks.spk111_duplicate_channels import DuplicateChannels
from spikecheck.readings import InputHalvesReading
from spikecheck.site import Capture, Layout, Site, SiteKind
from spikecheck.stats.input_halves import InputHalvesStats
from tests.unit.checks.build import findings, inputs, loss, observe, severity_of

STUCK = {"first": 3.0, "recent_mean": 3.0, "recent_slope": 0.0}
COPY = InputHalvesReading(3, (2, 8, 8), (0,))


@pytest.mark.parametrize(
    ("halves", "x", "losses", "severity"),
    [
        pytest.param(COPY, inputs(), loss(**STUCK), "warning", id="one camera twice"),
        pytest.param(COPY, inputs(), loss(recent_mean=1.5), "warning", id="it learns, with a loss of half a guess's"),
        pytest.param(COPY, inputs(), loss(recent_mean=0.2), "note", id="it learns all the same"),
        pytest.param(COPY, inputs(active=99), loss(**STUCK), None, id="too few events to tell"),
        pytest.param(COPY, inputs(active=100), loss(**STUCK), "warning", id="enough of them"),
        pytest.param(InputHalvesReading(3, (2, 8, 8), ()), inputs(), loss(**STUCK), None, id="halves differ"),
    ],
)
def test_judge(halves, x, losses, severity) -> None:
    observations = observe({"input": [x, halves], "loss": [losses]})
    assert severity_of(DuplicateChannels(), observations, "input") == severity


def test_the_message_names_the_axis() -> None:
    [finding] = findings(DuplicateChannels(), observe({"input": [inputs(), COPY], "loss": [loss(**STUCK)]}), "input")
    assert finding.message == "one half of input is a copy of the other, along axis 0 of samples of shape (2, 8, 8)"


def halves_of(x: torch.Tensor) -> tuple[int, ...]:
    statistic = InputHalvesStats()
    return statistic.summarize(statistic.measure(Capture((Site(SiteKind.INPUT, "x"),), (x,), Layout(1, 0))))[
        0
    ].copied_axes


def test_what_is_a_copy() -> None:
    eye = (torch.rand(3, 4, 1, 6, 6, generator=torch.Generator().manual_seed(0)) < 0.2).float()
    assert halves_of(torch.cat([eye, eye], 2)) == (0,)
    assert halves_of(torch.cat([eye, eye.flip(-1)], 2)) == ()
    assert halves_of(torch.cat([eye, eye], 4)) == (2,)  # side by side
    assert halves_of(eye.repeat(1, 1, 3, 1, 1)) == ()  # gray images in three channels
    assert halves_of(torch.cat([eye, eye], 0)) == ()  # two views of one sample are different samples
    assert halves_of(torch.ones(3, 4, 2, 6, 6)) == ()  # nothing in it differs
