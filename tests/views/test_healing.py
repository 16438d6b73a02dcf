"""What treatments came to, in the terminal, on the page and in the JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files

import jsonschema
import pytest

from spikecheck.report.model import Report
from spikecheck.report.terminal import plain_text
from spikecheck.report.treated import CopyResult, Healing, TreatmentRow, Verdict
from tests.unit.report.reports import healthy
from tests.views.pages import page, texts

UNTREATED = CopyResult(80, 3.0, 2.99, 0.05, ("SPK203",))
CURE = TreatmentRow(
    "decay of 0.9",
    "removes a cause",
    ("SPK207 faulty-decay",),
    "trained",
    proved=True,
    p_learns=1e-30,
    p_beats=1e-20,
    p_lasts=1e-40,
    copy=CopyResult(80, 3.0, 0.4, 0.9, ()),
    patch="model.lif.beta = 0.9",
    seconds=4.0,
)
OTHER = TreatmentRow(
    "binary <b>input",
    "removes a cause",
    (),
    "trained",
    p_learns=1e-9,
    p_beats=0.3,
    copy=replace(UNTREATED, symptoms=None),
)
STOPPED = TreatmentRow("no weight decay", "removes a cause", (), "no effect", "the losses are the same")
HEALING = Healing(Verdict.CURED, "decay of 0.9: held-out accuracy 90%", UNTREATED, (CURE, OTHER, STOPPED), 20.0)


@pytest.fixture
def report() -> Report:
    return replace(healthy(), healing=HEALING)


def test_the_terminal_shows_the_patch_and_each_treatment_before_and_after(report) -> None:
    text = plain_text(report, 160)
    assert "PROVED  decay of 0.9: held-out accuracy 90%" in text
    assert "model.lif.beta = 0.9" in text
    assert "3 -> 2.99" in text
    assert "3 -> 0.4" in text
    assert "SPK203" in text
    assert "not proved: does not beat the untreated copy" in text
    assert "no effect: the losses are the same" in text


def test_the_page_escapes_what_it_shows(report) -> None:
    assert "binary <b>input" in texts(page(report))
    assert "model.lif.beta = 0.9" in texts(page(report))


@pytest.mark.parametrize(
    "healing",
    [
        *(replace(HEALING, verdict=verdict) for verdict in Verdict),
        Healing(Verdict.HEALTHY, "nothing to heal", replace(UNTREATED, first_loss=float("nan"))),
        None,
    ],
)
def test_the_json_follows_the_schema(healing) -> None:
    schema = json.loads((files("spikecheck.report") / "schema-1.json").read_text(encoding="utf-8"))
    written = json.loads(replace(healthy(), healing=healing).to_json())
    jsonschema.validate(written, {"$ref": "#/$defs/report", "$defs": schema["$defs"]})
    assert (written["healing"] or {"verdict": None})["verdict"] == (healing and healing.verdict.value)


def test_a_merged_report_has_the_healing_of_one(report) -> None:
    assert Report.merge(healthy(), report).healing == HEALING
