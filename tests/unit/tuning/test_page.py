"""The pictures of a search: a PNG, and a page that loads nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from spikecheck.tuning.plan import Plan
from spikecheck.tuning.result import Tuning
from spikecheck.tuning.trial import Problem, ProblemKind, TriedValue

pytest.importorskip("matplotlib", reason="pip install 'spikecheck[html]'")


def result() -> Tuning:
    """Return a search with every kind of value: too many spikes, working ones, a silent one, one with NaN."""
    plan = Plan("threshold", 0.1, 100.0, updates=12, subject="<b>build</b>")
    several = (Problem(ProblemKind.SEVERAL_SPIKES, ("a", "b", "c", "d")),)
    return Tuning(
        plan,
        (
            TriedValue(0.1, 300.0, 5609.0, 0.0, 161_714.0, 63_089.0, None, 1, several, 0.5, "a = 1"),
            TriedValue(1.0, 1.0, 1.0, 0.0, 20.0, 3.0, 2.0, 12, (), 2.0, "model = build(threshold=1.0)"),
            TriedValue(3.0, 1.0, 1.0, 0.0, 9.0, 3.0, 2.5, 12, (), 2.0, "b = 1"),
            TriedValue(100.0, 0.0, 0.0, 0.0, 0.0, 3.0, 3.0, 4, (Problem(ProblemKind.SILENT, ("lif3",)),)),
            TriedValue(50.0, None, None, None, None, float("nan"), None, 1, (Problem(ProblemKind.NON_FINITE),)),
        ),
    )


def test_the_png_is_a_picture(tmp_path: Path) -> None:
    result().to_png(tmp_path / "tune.png")
    assert (tmp_path / "tune.png").read_bytes().startswith(b"\x89PNG")


def test_the_page_has_the_table_and_the_pictures_and_loads_nothing(tmp_path: Path) -> None:
    result().to_html(tmp_path / "tune.html")
    page = (tmp_path / "tune.html").read_text(encoding="utf-8")
    assert "threshold works from 1 to 3; the loss is lowest at 1" in page
    assert page.count("<svg") == 2
    assert "5,609" in page
    assert "multi-spike: a, b, c and 1 more" in page
    assert "<b>build</b>" not in page
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org", "")


def test_the_text_says_what_lies_on_both_sides_where_nothing_works() -> None:
    tuning = result()
    failing = Tuning(tuning.plan, tuple(row for row in tuning.tried if row.problems and row.value != 50))
    assert failing.best is None
    assert failing.conclusion == (
        "no threshold from 0.1 to 100 works (up to 0.1, multi-spike: a, b, c and 1 more; from 100, silent: lif3)"
    )
    assert "spikecheck.attach(model) names the cause" in str(failing)
