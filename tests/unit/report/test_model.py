from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from spikecheck.finding import Observed, Outcome, Severity, Unseen, UnseenKind, Verdict
from spikecheck.report.model import LayerRow, Report
from spikecheck.site import SiteKind
from tests.unit.report.pictures import drawn
from tests.unit.report.reports import REPORTS, broken, finding, healthy, nothing, spikes

every = pytest.mark.parametrize("make", REPORTS.values(), ids=REPORTS)


def strict(text: str) -> Any:
    """JSON as the standard has it: no NaN, no Infinity."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


@every
def test_the_json_is_json_and_says_all_that_the_dictionary_says(make: Callable[[], Report]) -> None:
    report = make()
    content = strict(report.to_json())
    assert content.keys() == report.to_dict().keys()
    assert content["schema"] == 1
    assert content["ok"] is report.ok
    assert [v["check"] for v in content["verdicts"]] == [v.check for v in report.verdicts]


def test_a_number_that_is_not_finite_is_null() -> None:
    content = strict(broken().to_json())
    assert content["layers"][4]["maximum"] is None
    (rate,) = [cause for cause in content["root_causes"] if cause["check"] == "SPK408"]
    assert rate["observed"]["numbers"] == {"share": None}


def test_the_dictionary_holds_causes_with_their_consequences() -> None:
    first = broken().to_dict()["root_causes"][0]
    assert first["check"] == "SPK101"
    assert first["observed"]["numbers"]["share"] == 0.061
    assert first["expected"]["because"].startswith("ToFrame sums")
    assert [f["check"] for f in first["consequences"]] == ["SPK201"] * 6 + ["SPK301", "SPK303"]


@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{1,8}", fullmatch=True),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.floats()).map(tuple),
    )
)
@settings(max_examples=50, deadline=None, derandomize=True)
def test_whatever_numbers_a_check_saw_are_json(numbers: dict[str, Any]) -> None:
    one = finding("SPK101", "count-input", SiteKind.INPUT, "input", 0, "m", observed=Observed("text", **numbers))
    report = Report.of([Verdict("SPK101", "count-input", Outcome.FINDINGS, (one,))])
    content = strict(report.to_json())["root_causes"][0]["observed"]["numbers"]
    assert content.keys() == numbers.keys()
    for name, value in numbers.items():
        if isinstance(value, float) and not math.isfinite(value):
            assert content[name] is None
        elif isinstance(value, int | float | str):
            assert content[name] == value


def test_ok_means_that_enough_was_observed_and_nothing_above_a_note_holds() -> None:
    note = finding("SPK210", "s", SiteKind.SPIKES, "lif", 1, "m", severity=Severity.NOTE)
    layers = (LayerRow("lif", spikes()),)
    assert Report.of([Verdict("SPK210", "s", Outcome.FINDINGS, (note,))], layers=layers).ok
    assert Report.of([Verdict("SPK203", "s", Outcome.PASSED, history=(broken().findings[0],))], layers=layers).ok
    assert not Report.of([], layers=layers, unseen=(Unseen(UnseenKind.UPDATE, "no update"),)).ok
    assert not nothing().ok
    assert healthy().ok
    assert not broken().ok
    assert [f.check for f in broken().at_least(Severity.ERROR)] == ["SPK101", *["SPK201"] * 6, "SPK303"]


def test_the_findings_stand_in_the_order_of_reading() -> None:
    assert [f.check for f in broken().findings] == ["SPK101", *["SPK201"] * 6, "SPK301", "SPK303", "SPK408", "SPK210"]


def test_the_headline_counts_updates_or_else_forwards() -> None:
    assert healthy().headline == "spikecheck · 1 update · sinabs · 1 spiking layer"
    assert nothing().headline == "spikecheck · 0 forward passes · 0 spiking layers"


def test_a_report_of_nothing_is_not_called_healthy() -> None:
    assert "healthy" not in str(nothing())
    assert "healthy" in str(healthy())


@every
def test_text_console_and_notebook_say_the_same(make: Callable[[], Report]) -> None:
    report = make()
    console = Console(file=StringIO(), width=100, color_system=None, force_jupyter=False)
    console.print(report)
    assert isinstance(console.file, StringIO)
    drawn, html = console.file.getvalue(), report._repr_html_()
    for word in [
        *(f.check for f in report.findings),
        *(row.name.replace(".", " ").split()[0] for row in report.layers),
    ]:
        assert word in str(report)
        assert word in drawn
        assert word in html
    assert html.startswith("<pre")
    assert html.rstrip().endswith(("</pre>", "</details>"))
    assert "\x1b" not in str(report)


def test_what_a_layer_is_called_is_text_and_no_markup() -> None:
    name = "<b>[red]lif[/red] & [0]</b>"
    one = finding(
        "SPK203", "dead-layer", SiteKind.SPIKES, name, 1, f"{name} is dead", observed=Observed("[bold]0[/bold]")
    )
    effects = finding("SPK301", "x", SiteKind.LOGITS, "logits", 2, "[i]tied[/i]", explained_by=("SPK203",))
    report = Report.of(
        [
            Verdict("SPK203", "dead-layer", Outcome.FINDINGS, (one,)),
            Verdict("SPK301", "x", Outcome.FINDINGS, (effects,)),
        ]
    )
    assert name in str(report)
    assert "[bold]0[/bold]" in str(report)
    assert "[i]tied[/i]" in str(report)
    assert "<b>" not in report._repr_html_()
    assert "&lt;b&gt;" in report._repr_html_()


@pytest.mark.parametrize("unseen", [(), (Unseen(UnseenKind.LEARNING, "no loss shows that anything is learned"),)])
def test_a_file_whose_evidence_shows_no_learning_is_not_called_healthy(unseen: tuple[Unseen, ...]) -> None:
    of_file = replace(healthy(), losses=drawn().losses, subject="net.pt", observed_updates=70)
    assert of_file.losses
    assert of_file.conclusion == "healthy: no warning, no error"
    unlearned = replace(of_file, unseen=unseen) if unseen else replace(of_file, losses=())
    assert unlearned.conclusion == "no warning, no error; no loss shows that the network learned"
