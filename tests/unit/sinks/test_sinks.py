"""What a sink is given while a model trains, and what happens if it fails."""

from __future__ import annotations

import math
import warnings
from typing import Any

import pytest
import torch

import spikecheck
from spikecheck.errors import SpikecheckError, SpikecheckWarning
from spikecheck.plugin import RunPoint, RunStart, Sink, TimelinePoint
from spikecheck.sinks.points import newest
from tests.promises.networks import Run, assert_same, by_hand


class Notebook(Sink):
    """Writes down every call."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []

    def begin(self, start: RunStart) -> None:
        self.calls.append(("begin", (start,)))

    def point(self, point: RunPoint) -> None:
        self.calls.append(("point", (point,)))

    def finding(self, cause: Any, update: int) -> None:
        self.calls.append(("finding", (cause, update)))

    def end(self, report: Any, error: str) -> None:
        self.calls.append(("end", (report, error)))

    def of(self, name: str) -> list[tuple[Any, ...]]:
        return [arguments for kind, arguments in self.calls if kind == name]


def test_a_sink_gets_the_start_the_points_and_the_end() -> None:
    book = Notebook()
    run = Run(by_hand())
    with spikecheck.attach(run.model, sinks=[book]) as monitor:
        run.train(20)
    names = [name for name, _ in book.calls]
    assert (names[0], names[-1]) == ("begin", "end")
    points = [point for (point,) in book.of("point")]
    assert [point.update for point in points] == [0, 1, 2, 5, 9, 15, 20]
    assert [point.since for point in points] == [0, 0, 1, 2, 5, 9, 15]
    ((report, error),) = book.of("end")
    assert (report.updates, error) == (20, "")
    assert report.to_json() == monitor.report().to_json()


def test_the_points_add_up_to_the_timeline() -> None:
    book = Notebook()
    run = Run(by_hand())
    with spikecheck.attach(run.model, sinks=[book]) as monitor:
        run.train(150)
    points = [point for (point,) in book.of("point")]
    (row,) = monitor.report().losses
    timeline = [point for point in row.timeline.points if point.mean is not None]
    passes = sum(point.passes for point in timeline)
    mean = sum(point.mean * point.passes for point in timeline) / passes
    weights = [
        1,
        *(point.update - point.since for point in points[1:]),
    ]  # losses
    weights[-1] -= 1
    values = [point.losses["loss"] for point in points if "loss" in point.losses]
    assert math.isclose(mean, sum(v * w for v, w in zip(values, weights, strict=False)) / passes, rel_tol=1e-9)


def test_the_names_of_the_scalars() -> None:
    book = Notebook()
    run = Run(by_hand())
    with spikecheck.attach(run.model, sinks=[book]):
        run.train(3)
    names = set(book.of("point")[1][0].scalars())
    layer = next(iter(book.of("end")[0][0].layers)).name
    assert {"spikecheck/loss/loss", "spikecheck/Adam/gradient_norm", f"spikecheck/{layer}/firing_rate"} <= names


def test_a_sink_that_fails_is_left_out_with_one_warning_and_training_is_the_same() -> None:
    class Broken(Notebook):
        def point(self, point: RunPoint) -> None:
            super().point(point)
            raise OSError("disk full")

    torch.manual_seed(0)
    bare = Run(by_hand()).train(12).weights()
    torch.manual_seed(0)
    run, broken, book = Run(by_hand()), Broken(), Notebook()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with spikecheck.attach(run.model, sinks=[broken, book]):
            run.train(12)
    failures = [str(one.message) for one in caught if "Broken" in str(one.message)]
    assert failures == ["Broken failed and gets nothing more: OSError: disk full"]
    assert len(broken.of("point")) == 1
    assert len(broken.of("end")) == 0
    assert len(book.of("end")) == 1
    assert_same(run.weights(), bare)


def test_the_end_names_the_exception_which_passes() -> None:
    book = Notebook()
    run = Run(by_hand())
    monitor = spikecheck.attach(run.model, sinks=[book])
    run.train(3)
    with pytest.raises(KeyboardInterrupt), monitor:
        raise KeyboardInterrupt
    assert book.of("end")[0][1] == "KeyboardInterrupt"


def test_the_warning_of_a_failure_can_be_an_error() -> None:
    class Broken(Sink):
        def end(self, report: Any, error: str) -> None:
            raise ValueError("no")

    run = Run(by_hand())
    monitor = spikecheck.attach(run.model, sinks=[Broken()])
    run.train(1)
    with pytest.warns(SpikecheckWarning, match="Broken failed"):
        monitor.detach()


def test_what_is_no_sink_is_refused() -> None:
    with pytest.raises(SpikecheckError, match=r"takes objects of .*Sink, got str"):
        spikecheck.attach(torch.nn.Linear(2, 2), sinks=["run.jsonl"])  # type: ignore[list-item]


@pytest.mark.parametrize("width", [1, 2, 4])
def test_the_mean_since_an_earlier_reading_of_a_growing_timeline(width: int) -> None:
    values = [float(number % 5) for number in range(20)]

    def timeline(until: int, width: int) -> tuple[TimelinePoint, ...]:
        chunks = [(at, values[at : min(at + width, until)]) for at in range(0, until, width)]
        return tuple(TimelinePoint(at, at + width - 1, len(c), sum(c) / len(c)) for at, c in chunks)

    for before in range(20):
        earlier = timeline(before, max(1, width // 2))
        passes, mean = newest(earlier, timeline(20, width), lambda point: point.mean)
        assert passes == 20 - before
        assert mean == pytest.approx(sum(values[before:]) / (20 - before))


def test_what_is_not_finite_has_no_mean() -> None:
    points = (TimelinePoint(0, 0, 1, 2.0), TimelinePoint(1, 1, 1, None))
    assert newest(points[:1], points, lambda point: point.mean) == (1, None)
