"""Whatever a name from outside contains, no view shows a character that a terminal, a parser or a reader obeys."""

from __future__ import annotations

import json
import struct
import tempfile
from pathlib import Path
from xml.etree import ElementTree as ET

from hypothesis import example, given, settings
from hypothesis import strategies as st

from spikecheck.checkpoint import diagnose_file
from spikecheck.checks.fixes import module_path
from spikecheck.outside_text import MAX_LENGTH, UniqueNames, safe
from spikecheck.report import html
from spikecheck.report.json import to_json
from spikecheck.report.junit import to_junit
from spikecheck.report.sarif import to_sarif
from spikecheck.report.wording import warning_text
from spikecheck.settings import Settings
from spikecheck.site import Site, SiteKind

texts = st.text(st.characters(exclude_categories=()), max_size=30)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(texts)
def test_safe_text_is_one_short_printable_line(text: str) -> None:
    assert safe(text).isprintable()
    assert len(safe(text)) <= MAX_LENGTH
    assert safe(safe(text)) == safe(text)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(texts)
@example("\x1b]0;x\x07")
@example("a\u202eb")
@example("\ud800")
@example("new\nline")
@example("w" * 3_000_000)
@example(r"lif1\033]0;x\007")
@example(r"li\qf")
@example("[*?]{site}")
def test_no_view_shows_what_a_name_hides(text: str) -> None:
    entry = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    header = json.dumps({f"{text}.threshold": entry}).encode()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "outside.safetensors"
        path.write_bytes(struct.pack("<Q", len(header)) + header + struct.pack("<f", -1))
        report = diagnose_file(path, settings=Settings())
    files = [("file", report, "")]
    junit = to_junit(files, report.findings[0].severity)
    sarif = json.loads(to_sarif(files, "1"))["runs"][0]["results"][0]["message"]["text"]
    for view in (str(report), *map(warning_text, report.root_causes), html.page(files), junit, sarif):
        assert all(c.isprintable() or c in "\n\t\u00a0" for c in view)
        view.encode()
    ET.fromstring(junit)
    json.loads(to_json(files, "", {}))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(texts)
def test_the_path_to_a_layer_is_python_whatever_its_name(text: str) -> None:
    path = module_path(Site(SiteKind.STORED_NEURON, f"{safe(text)}.threshold"))
    assert not path or compile(path, "fix", "eval")


def test_many_equal_names_become_different_ones_in_few_steps() -> None:
    names = UniqueNames()
    assert len({names.add("a") for _ in range(20_000)}) == 20_000
