"""A report can be printed anywhere, kept in a file, and copied: the training before it is not lost."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from io import BytesIO, StringIO, TextIOWrapper

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from spikecheck.finding import Expected, Observed, Outcome, Verdict
from spikecheck.report.encoding import ASCII, encodable
from spikecheck.report.model import Report
from spikecheck.site import SiteKind
from tests.unit.report.pictures import drawn, file
from tests.unit.report.reports import REPORTS, broken, finding, healthy, nothing

MADE = {**REPORTS, "drawn": drawn, "file": file}
SCRIPT = """
from dataclasses import replace
from tests.unit.report.pictures import drawn
report = replace(drawn(), subject="нейрон \\u2265 1 \\u00d7 \\u2192 \\u2581\\u2588 \\U0001f9e0")
print(report)
print(repr(report), [report], f"{report}")
import rich
rich.print(report)
"""


@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
def test_a_report_survives_pickle_and_deepcopy(make: object) -> None:
    report: Report = make()  # type: ignore[operator]
    for made in (pickle.loads(pickle.dumps(report)), copy.deepcopy(report), copy.copy(report)):
        assert made.to_json() == report.to_json()
        assert str(made) == str(report)
        assert made.findings == report.findings


numbers = st.dictionaries(
    st.from_regex(r"[a-z]{1,8}", fullmatch=True).filter(lambda name: name != "because"),
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.tuples(st.integers()),
)


@given(numbers, numbers, st.text())
@settings(max_examples=50, deadline=None, derandomize=True)
def test_whatever_a_check_observed_survives(
    visible: dict[str, object], wanted: dict[str, object], because: str
) -> None:
    phrases = {"observed": Observed("text", **visible), "expected": Expected("text", because=because, **wanted)}
    one = finding("SPK101", "count-input", SiteKind.INPUT, "input", 0, "m", **phrases)
    report = Report.of([Verdict("SPK101", "count-input", Outcome.FINDINGS, (one,))])
    for made in (pickle.loads(pickle.dumps(report)), copy.deepcopy(report)):
        assert made == report
        (again,) = made.findings
        assert (again.observed.numbers, again.expected.numbers, again.expected.because) == (visible, wanted, because)


def test_repr_is_one_short_line() -> None:
    assert (
        repr(healthy()) == "<Report: spikecheck · 1 update · sinabs · 1 spiking layer · healthy: no warning, no error>"
    )
    assert repr(broken()) == "<Report: spikecheck · 12 updates · snntorch · 6 spiking layers · 2 root causes>"
    missing = "not enough was observed to judge: no forward pass"
    assert repr(nothing()) == f"<Report: spikecheck · 0 forward passes · 0 spiking layers · {missing}>"


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp437", "latin-1", "utf-8"])
def test_printing_never_raises_whatever_the_stream_can_show(encoding: str) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0", "COLUMNS": "80"}
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    shown = done.stdout.decode(encoding)
    assert "SPK101 count-input" in shown
    assert "?" not in shown
    if encoding == "ascii":
        assert ">= 1 x -> _#" in shown


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_console_on_such_a_stream_shows_it_too(encoding: str) -> None:
    stream = TextIOWrapper(BytesIO(), encoding=encoding)
    Console(file=stream, width=100, force_terminal=True).print(replace(broken(), subject="≥ ▁▂▃"))
    stream.flush()
    assert "SPK101 count-input" in stream.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]


def test_a_stream_without_an_encoding_gets_every_character(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream in (StringIO(), None):
        monkeypatch.setattr(sys, "stdout", stream)
        assert "·" in str(healthy())


def test_what_an_encoding_has_stays_and_the_rest_becomes_ascii() -> None:
    assert encodable("2 × 3 ≥ 5 · слой", "cp1252") == "2 × 3 >= 5 · \\u0441\\u043b\\u043e\\u0439"
    assert encodable("2 × 3 ≥ 5", None) == "2 × 3 ≥ 5"
    assert encodable("×", "no such encoding") == "×"
    assert all(text.isascii() and encodable(one, "ascii") == text for one, text in ASCII.items())
