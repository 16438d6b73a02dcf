"""The pictures of the page: of what was seen, and of whatever numbers a file may hold."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn

import spikecheck
from spikecheck.checkpoint import diagnose_file
from spikecheck.excerpts import PotentialSampleReading, RasterReading
from spikecheck.finding import Outcome, Verdict
from spikecheck.report.html.curves import Curve, draw
from spikecheck.report.html.marks import Mark, free_row, marks_of
from spikecheck.report.html.view import Shown, rasters
from spikecheck.report.model import LayerRow, Report, WeightRow
from spikecheck.site import Moment, SiteKind
from tests.promises.networks import Run, batch, by_hand, in_snntorch
from tests.unit.report.pictures import loss, timeline
from tests.unit.report.reports import finding, healthy, spikes
from tests.views.pages import page, parsed, texts

pytestmark = pytest.mark.filterwarnings("error")  # who asks for a report shall not get a warning of matplotlib's


def curve(report: Report) -> str:
    """What the picture of the only loss says."""
    (picture,) = Shown(report, "r0").losses
    return texts(parsed(f"<!doctype html><title>x</title>{picture.svg}"))


def test_the_loss_is_shown_against_that_of_a_guess_with_its_plateau_where_one_was_found() -> None:
    stalled = finding("SPK302", "chance-plateau", SiteKind.LOSS, "loss", 9, "loss stays at 2.996")
    findings = Report.of([Verdict("SPK302", "chance-plateau", Outcome.FINDINGS, (stalled,))])
    marked = curve(replace(findings, losses=(loss(),)))
    assert "ln 20 = 3.00" in marked
    assert "plateau" in marked
    unmarked = curve(replace(healthy(), losses=(loss(),)))
    assert "ln 20 = 3.00" in unmarked
    assert "plateau" not in unmarked
    other = curve(replace(findings, losses=(loss("another loss", classes=None),)))
    assert "plateau" not in other
    assert "ln " not in other


def test_a_loss_that_moves_by_rounding_errors_alone_is_drawn_as_a_flat_line() -> None:
    still = loss(trace=tuple((update, 2.9957318 + 1e-7 * (update % 2)) for update in range(30)))
    shown = curve(replace(healthy(), losses=(still,)))
    assert "e−" not in shown
    assert {"2.98", "3.00"} <= set(re.findall(r"\d\.\d\d", shown))


def test_the_axes_have_whole_updates_and_separate_thousands() -> None:
    one = curve(replace(healthy(), losses=(loss(trace=((0, 63_000.0),)),)))
    assert "63,000" in one
    assert not re.search(r"\d\.\d+ +update", one), "a part of an update"
    several = curve(replace(healthy(), losses=(loss(classes=None, trace=((0, 5_000.0), (3_000, 4_000.0))),)))
    assert {"3,000", "5,000"} <= set(re.findall(r"\d,\d{3}", several))


@pytest.mark.parametrize("make", [by_hand, in_snntorch])
def test_a_run_is_drawn_from_what_was_seen_of_it(make: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    model = make()
    with spikecheck.attach(model, on_finding=lambda finding: None) as monitor:
        run = Run(model).train(2)
    (shown,) = [Shown(monitor.report(), "r0")]
    (curve,) = shown.losses
    assert f"from {run.losses[0]:.3g} at update 0 to {run.losses[1]:.3g} at update 1" in curve.svg
    assert shown.weights is not None
    assert "before the first update" in shown.weights.note
    layers = [[picture.caption for picture in layer.pictures] for layer in shown.layers]
    potentials = [] if make is by_hand else ["Membrane potentials"]
    assert layers == [["Spikes", "Spikes", "Firing rates", "Firing rate over the run", *potentials]] * len(layers)
    assert layers


def test_a_finding_is_marked_on_the_time_axis() -> None:
    times = [Mark(0, "SPK205"), Mark(2, "SPK203"), Mark(90, "SPK407")]
    (point, *_) = timeline((0.1,)).points
    points = tuple(replace(point, update=10 * n, last_update=10 * n + 9) for n in range(10))
    picture = draw(Curve("Firing rate", "spikes per step", points, [0.1] * 10, marks=tuple(times)), "k")
    assert picture is not None
    assert "SPK205 SPK203" in picture, "those that are close share a label"
    assert "SPK407 first seen at update 90" in picture


def test_labels_of_marks_that_would_overlap_are_in_rows_of_their_own() -> None:
    rows: list[list[tuple[float, float]]] = []
    places = [(0, 36), (20, 56), (36, 72), (50, 86), (90, 126)]
    assert [free_row(rows, *place) for place in places] == [0, 1, 0, 2, 0]


def test_marks_are_those_of_a_run() -> None:
    early = finding("SPK205", "a", SiteKind.SPIKES, "lif1", 0, "a")
    late = replace(early, check="SPK407", when=Moment(40))
    stored = replace(early, check="SPK501", when=Moment(stored=True))
    assert marks_of((late, stored, early)) == (Mark(0, "SPK205"), Mark(40, "SPK407"))
    effect = replace(early, check="SPK101")
    assert marks_of((early, effect)) == (Mark(0, "SPK205"), Mark(0, "SPK101")), "of one update, a root cause first"


@pytest.mark.parametrize(
    ("value", "message"),
    [(1.0, ""), (3.0, "; red: several spikes per step"), (math.nan, "; red: NaN"), (-1.0, "; violet: negative")],
)
def test_the_colors_of_a_raster_are_named_where_they_come_up(value: float, message: str) -> None:
    reading = RasterReading(((0.0, value),), time_steps=9, neurons=1, stride=1, update=3)
    (picture,) = rasters(LayerRow("lif1", spikes(), first=reading), "r0")
    assert picture.note == f"one sample, after update 3, 2 of 9 time steps{message}"


def test_a_file_with_a_run_that_looked_at_no_weights_shows_its_own(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = by_hand()
    with spikecheck.attach(model, on_finding=lambda finding: None) as monitor, torch.no_grad():
        model(batch()[0])
    checkpoint = {"model": model.state_dict()}
    spikecheck.save_evidence(checkpoint, monitor)
    torch.save(checkpoint, tmp_path / "run.pt")
    report = diagnose_file(tmp_path / "run.pt")
    assert report.layers
    assert {row.name for row in report.weights} == {"fc1.weight", "fc2.weight"}


# -- numbers that no run shows, as a file may hold them

numbers = st.floats(width=64) | st.sampled_from((0.0, 1.0, -1.0, 1e308, -1e308, 5e-324))
lines = st.lists(numbers, max_size=6).map(tuple)
excerpts = st.builds(
    RasterReading, st.lists(lines, max_size=4).map(tuple),
    time_steps=st.integers(-5, 2**62), neurons=st.integers(-5, 2**62),
    stride=st.integers(-5, 2**62), update=st.integers(-5, 2**62),
)  # fmt: skip
rows = st.builds(
    LayerRow, st.text(max_size=20), lines.map(lambda rates: spikes(rates=rates)), threshold=st.none() | numbers,
    first=st.none() | excerpts, recent=st.none() | excerpts,
    potentials=st.none() | st.builds(PotentialSampleReading, lines, st.integers(), st.integers()),
)  # fmt: skip
losses = st.builds(
    loss, st.text(max_size=20), trace=st.lists(st.tuples(st.integers(-5, 2**62), numbers), max_size=6).map(tuple),
    classes=st.none() | st.integers(-5, 2**62), window=st.integers(-5, 2**62), recent_mean=st.none() | numbers,
)  # fmt: skip
weights = st.builds(WeightRow, st.text(max_size=60), st.integers(), numbers, st.none() | numbers)


CLOSE = LayerRow("close", spikes(rates=(0.0, 5e-324)), potentials=PotentialSampleReading((0.0, 5e-324), 2, 0))


@example(CLOSE, loss(trace=((0, 5e-324), (1, 0.0))), WeightRow("fc1.weight", 1, 1e-30))
@given(rows, losses, weights)
@settings(max_examples=12, deadline=None, derandomize=True)
def test_whatever_the_numbers_there_is_a_page(row: LayerRow, loss: Any, weight: WeightRow) -> None:
    stalled = finding("SPK302", "chance-plateau", SiteKind.LOSS, loss.name, 9, "stays")
    findings = Report.of([Verdict("SPK302", "chance-plateau", Outcome.FINDINGS, (stalled,))])
    page(replace(findings, layers=(row,), losses=(loss,), weights=(weight,)))
