"""Nothing is missed between the forward passes that are measured in full: every one is measured by tier 1."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import spikecheck
from spikecheck.monitor import Monitor
from spikecheck.timelines import SpikeTimelineReading
from tests.promises.networks import BATCH, CLASSES, INPUTS, STEPS, by_hand


def sparse(monitor: Monitor) -> None:
    """Measure as few forward passes in full as a slow machine would."""
    for sample in monitor._schedule.samples.values():
        sample.passes, sample.stride = 1000, 32


def data() -> tuple[torch.Tensor, torch.Tensor]:
    return (torch.rand(STEPS, BATCH, INPUTS) < 0.5).float(), torch.randint(CLASSES, (BATCH,))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("update", [5, 40])
def test_one_bad_value_in_one_batch_is_found_in_the_input(value: float, update: int) -> None:
    torch.manual_seed(0)
    model = by_hand()
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    with spikecheck.attach(model, on_finding=lambda _: None) as monitor:
        sparse(monitor)
        for number in range(update + 3):
            x, y = data()
            if number == update:
                x[3, 1, 2] = value
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
        cause = monitor.report().root_causes[0].finding
    assert (cause.check, cause.site.name, cause.when.update, cause.when.time_step) == ("SPK405", "input", update, 3)
    kind = "NaN" if math.isnan(value) else "infinity" if value > 0 else "-infinity"
    assert cause.observed.text.endswith(f"in the first of them, the sum is {kind}")


def silenced(model: nn.Module) -> None:
    for parameter in model.parameters():
        parameter.data.mul_(0.0)


def test_a_layer_that_falls_silent_is_dated_by_the_update() -> None:
    torch.manual_seed(0)
    model = by_hand()
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    with spikecheck.attach(model, on_finding=lambda _: None) as monitor:
        sparse(monitor)
        for number in range(40):
            if number == 25:
                silenced(model)
            x, y = data()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
        readings = monitor.evidence().observations.windows["recent"]
        (finding,) = [f for f in monitor.report().findings if f.check == "SPK203"]
    assert "went silent between updates 24 and 25" in finding.message
    assert finding.when.update == 25
    timelines = [r[SpikeTimelineReading] for r in readings.values() if SpikeTimelineReading in r]
    assert timelines
    for timeline in timelines:
        assert [point.update for point in timeline.points] == [*range(40)]
        assert timeline.silent_since == (24, 25)
        assert timeline.first is not None
        assert timeline.first.mean
        assert timeline.now is not None
        assert timeline.now.silent == 1.0


def test_training_and_evaluation_have_timelines_of_their_own() -> None:
    torch.manual_seed(0)
    model = by_hand()
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    with spikecheck.attach(model, on_finding=lambda _: None) as monitor:
        for _ in range(5):
            x, y = data()
            with torch.no_grad():
                model(torch.zeros_like(x))
                model(torch.zeros_like(x))
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
        readings = monitor.evidence().observations.windows["recent"]
    timeline = next(r[SpikeTimelineReading] for r in readings.values() if SpikeTimelineReading in r)
    assert [point.passes for point in timeline.points] == [1] * 5
