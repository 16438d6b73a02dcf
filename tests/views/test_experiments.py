"""The experiments of an examination in the terminal, on the page and in the JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files

import jsonschema
import pytest

from spikecheck.report.examined import ExperimentOutcome, ExperimentRow
from spikecheck.report.model import Report
from spikecheck.report.terminal import plain_text
from tests.unit.report.reports import healthy
from tests.views.pages import page, texts

ROWS = (
    ExperimentRow("changed sample", ExperimentOutcome.DONE, "18 of 63 change <b>", 0.4, "samples are mixed", "where"),
    ExperimentRow("one batch", ExperimentOutcome.LEFT_OUT, "no time was left for it"),
)


@pytest.fixture
def report() -> Report:
    return replace(healthy(), experiments=ROWS)


def test_the_terminal_shows_results_and_what_was_left_out(report) -> None:
    text = plain_text(report, 100)
    assert "changed sample  18 of 63 change <b>" in text
    assert "one batch       left out: no time was left for it" in text
    assert "experiment" not in plain_text(healthy())


def test_the_page_says_what_each_proves(report) -> None:
    text = texts(page(report))
    assert "Experiments on copies of the network" in text
    assert "18 of 63 change <b>" in text
    assert "samples are mixed" in text


def test_the_json_follows_the_schema(report) -> None:
    schema = json.loads((files("spikecheck.report") / "schema-1.json").read_text(encoding="utf-8"))
    written = json.loads(report.to_json())
    jsonschema.validate(written, {"$ref": "#/$defs/report", "$defs": schema["$defs"]})
    assert [row["outcome"] for row in written["experiments"]] == ["done", "left out"]


def test_merged_reports_keep_their_experiments(report) -> None:
    assert Report.merge(healthy(), report).experiments == ROWS
