"""The report as a page: valid, needing nothing from anywhere, escaped, honest about what is missing.

What a browser makes of it is asked in tests/browser.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import pytest

from spikecheck import SpikecheckError
from spikecheck.excerpts import PotentialSampleReading
from spikecheck.finding import Fix, Observed, Outcome, Unseen, UnseenKind, Verdict
from spikecheck.report import html
from spikecheck.report.model import LayerRow, Report, WeightRow
from spikecheck.site import SiteKind
from spikecheck.stored import ChangeReading
from tests.unit.report.pictures import drawn, file, layer, loss, optimizer
from tests.unit.report.reports import LONG, broken, finding, healthy, spikes
from tests.views.pages import REPORTS, local, of, page, page_of, parsed, text_of, texts

pytestmark = pytest.mark.filterwarnings("error")  # who asks for a report shall not get a warning of matplotlib's
every = pytest.mark.parametrize("name", REPORTS)
LOADING = {"script", "link", "img", "iframe", "object", "embed", "source", "video", "audio", "base", "form", "image"}


def verdict(root: Element) -> str | None:
    (heading,) = of(root, "h1")
    return heading.text


@every
def test_it_is_valid_and_no_id_comes_twice(name: str) -> None:
    root = page_of(name)
    ids = Counter(element.get("id") for element in root.iter() if element.get("id"))
    assert [one for one, times in ids.items() if times > 1] == []
    targets = [e.get("href", "") for e in root.iter() if e.get("href")]
    labels = [label for e in root.iter() for label in (e.get("aria-labelledby") or "").split()]
    assert {target[1:] for target in targets} | set(labels) <= set(ids), "a link or a label that leads nowhere"


COUNTS = "input holds event counts (0 to 47), not binary spikes"
SOUND = "The weights look sound; whether the network learned cannot be seen in a file"


@every
def test_it_loads_nothing_and_runs_nothing(name: str) -> None:
    text, root = text_of(name), page_of(name)
    assert not {local(e) for e in root.iter()} & LOADING
    assert not re.search(r"https?:|//[a-z]|@import|@font-face", text), "an address of elsewhere"
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", text))
    for element in root.iter():
        for attribute, value in element.attrib.items():
            assert not str(attribute).startswith("on")
            assert attribute not in ("src", "srcset", "action", "background")
            assert "href" not in str(attribute) or value.startswith("#")
    (policy,) = [e.get("content") for e in of(root, "meta") if e.get("http-equiv")]
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'")


@every
def test_the_verdict_comes_first_and_each_finding_has_its_evidence(name: str) -> None:
    report, root = REPORTS[name](), page_of(name)
    expected = {
        "broken": COUNTS, "drawn": COUNTS,
        "nothing": "Not enough was observed to judge: no forward pass",
        "file": SOUND,
    }.get(name, "Healthy: no warning, no error")  # fmt: skip
    assert verdict(root) == expected
    main = texts(of(root, "main")[0])
    assert main.index(expected) < 200
    rows = [texts(row) for row in of(root, "tr") if (row.get("id") or "").startswith("r0-f")]
    assert len(rows) == len(report.findings)
    for row, one in zip(rows, report.findings, strict=True):
        for shown_text in (
            one.check,
            one.slug,
            one.message,
            one.observed.text,
            one.expected.text,
            str(one.when),
            one.site.name,
        ):
            assert shown_text in row
    for line in (
        *map(str, report.unseen),
        *(v.reason for v in report.verdicts),
        *(i for v in report.verdicts for i in v.ignored),
    ):
        assert line in main
    for cause in report.root_causes:
        assert all(re.sub(r"\s+", " ", fix.code) in main for fix in cause.finding.fixes)


def test_the_fix_of_the_first_cause_stands_below_the_headline_alone() -> None:
    root = page_of("broken")
    (section,) = [e for e in of(root, "section") if str(e.get("class")).startswith("verdict")]
    (block,) = [e for e in of(root, "pre") if e.get("class") == "fix"]
    assert block in of(section, "pre")
    assert texts(block).startswith("x = (x > 0).float()")
    assert texts(root).count("x = (x > 0).float()") == 1
    assert "2 root causes" in texts(section)


def test_the_page_says_when_it_was_written_by_which_version_and_of_which_model() -> None:
    root = page(replace(broken(), model="SpikingResNet"))
    (header,) = of(root, "header")
    assert re.search(r"spikecheck \d+\.\d+\.\d+, \d{4}-\d\d-\d\d \d\d:\d\d UTC", texts(header))
    assert "SpikingResNet" in texts(of(root, "main")[0])


def test_the_consequences_hang_under_what_led_to_them() -> None:
    root = page_of("broken")
    trees = [e for e in of(root, "ol") if e.get("class") == "tree"]
    assert len(trees) == 2

    def shape(item: Element) -> dict[str, Any]:
        (check,) = [texts(a).split()[0] for a in of(item.find("div"), "a")]  # type: ignore[arg-type]
        return {check: [shape(child) for branch in item.findall("ol") for child in branch.findall("li")]}

    assert [shape(li) for tree in trees for li in tree.findall("li")] == [
        {"SPK101": [{"SPK201": [{"SPK301": [{"SPK303": []}]}]}]},
        {"SPK408": []},
    ]
    assert f"(also at {LONG}1, {LONG}2" in texts(trees[0])


def test_what_explains_a_consequence_beside_its_branch_is_named() -> None:
    first = finding("SPK101", "a", SiteKind.INPUT, "input", 0, "a")
    left = finding("SPK201", "b", SiteKind.SPIKES, "lif1", 1, "b", explained_by=("SPK101",))
    right = finding("SPK202", "c", SiteKind.SPIKES, "lif2", 2, "c", explained_by=("SPK101",))
    last = finding("SPK301", "d", SiteKind.LOGITS, "logits", 3, "d", explained_by=("SPK101", "SPK201", "SPK202"))
    matches = [Verdict(f.check, f.slug, Outcome.FINDINGS, (f,)) for f in (first, left, right, last)]
    (tree,) = [e for e in of(page(Report.of(matches)), "ol") if e.get("class") == "tree"]
    (note,) = [texts(p) for p in of(tree, "p") if "also explained by" in texts(p)]
    assert note == "also explained by SPK201"


def test_every_picture_is_there_and_has_a_name_and_a_description() -> None:
    root = page_of("drawn")
    captions = Counter(texts(e.find("b")) for e in of(root, "figcaption"))  # type: ignore[arg-type]
    assert captions == {
        "loss per update": 1, "Size of the weights": 1, "Spikes": 4, "Firing rates": 2,
        "Membrane potentials": 2, "Firing rate over the run": 5, "Gradient norm, Adam": 1, "Size of an update, Adam": 1,
        "Learning rate, Adam": 1,
    }  # fmt: skip
    for svg in of(root, "svg"):
        assert svg.get("role") == "img"
        assert svg.get("viewBox")
        names = {e.get("id"): e.text for e in svg if local(e) in ("title", "desc")}
        assert (svg.get("aria-labelledby") or "").split() == list(names)
        assert all(names.values())


def test_the_pictures_say_what_they_are_of() -> None:
    text = texts(page_of("drawn"))
    assert "threshold 1" in text
    assert "25 silent" in text, "24 at 0, and the one whose rate is 0 / 100"
    assert "red: several spikes per step" in text
    assert "after update 200" in text
    assert "128 of 256 updates" in text
    assert "silent since between updates 4 and 8" in text
    assert "from 1 at update 0 to 0.0001 at update 4" in text, "the norm of the gradients"


def test_what_has_no_picture_is_named_with_the_reason() -> None:
    assert "Spikes, firing rates, membrane potentials and losses: not stored" in texts(page_of("file"))
    assert "no spiking layer was observed" in texts(page_of("nothing"))
    bare = texts(page_of("healthy"))
    for why in ("Loss: no loss was observed.", "Size of the weights: no optimizer update was observed",
                "No spike raster", "No firing rates", "No membrane potentials: the layer does not expose"):  # fmt: skip
        assert why in bare
    nan = (float("nan"),)
    layers = (LayerRow("lif1", spikes(), potentials=PotentialSampleReading(nan, 1, 0)),)
    losses, weights = (loss(trace=((0, nan[0]),)),), (WeightRow("fc1.weight", 1, 0.0),)
    text = texts(page(replace(healthy(), layers=layers, losses=losses, weights=weights)))
    assert "No membrane potentials: no value is finite" in text
    assert "Loss: no value is finite" in text
    assert "Size of the weights: none is finite and nonzero" in text


def test_of_many_layers_those_with_findings_are_drawn() -> None:
    last = finding("SPK203", "dead-layer", SiteKind.SPIKES, "lif19", 19, "lif19 is silent")
    matches = Report.of([Verdict("SPK203", "dead-layer", Outcome.FINDINGS, (last,))])
    root = page(replace(matches, layers=tuple(LayerRow(f"lif{n}", spikes()) for n in range(20))))
    assert [e.text for e in of(root, "h3")] == [*(f"lif{n}" for n in range(15)), "lif19"]
    assert "4 of 20 layers, to keep the page small" in texts(root)


HOSTILE = (
    '<script>alert("x")</script>&amp;\'"><img src=x onerror=alert(1)>$x_1$ '
    "\x00\x1b[31m\u202egpj\ud800 \U0001f9e0 {{ 7*7 }}"
)


def test_names_from_a_model_or_a_file_are_text() -> None:
    one = finding(
        "SPK203", HOSTILE, SiteKind.SPIKES, HOSTILE, 1, HOSTILE, observed=Observed("{x}", x=HOSTILE),
        fixes=(Fix(HOSTILE, HOSTILE),),
    )  # fmt: skip
    effects = finding("SPK301", HOSTILE, SiteKind.LOSS, HOSTILE, 2, HOSTILE, explained_by=("SPK203",))
    verdicts = [Verdict(f.check, f.slug, Outcome.FINDINGS, (f,), HOSTILE, (HOSTILE,)) for f in (one, effects)]
    report = replace(
        Report.of(verdicts), layers=(layer(HOSTILE),), losses=(loss(HOSTILE),), weights=(WeightRow(HOSTILE, 1, 1.0),),
        optimizers=(optimizer(HOSTILE),),
        unseen=(Unseen(UnseenKind.OTHER, HOSTILE),), frameworks=(HOSTILE,), subject=HOSTILE,
    )  # fmt: skip
    text = html.page([(HOSTILE, report, HOSTILE), (HOSTILE, None, HOSTILE)], HOSTILE)
    text.encode()
    root = parsed(text)
    assert not {local(e) for e in root.iter()} & LOADING
    assert not any(str(name).startswith("on") for e in root.iter() for name in e.attrib)
    visible = texts(root)
    assert visible.count('<script>alert("x")</script>&amp;') > 20
    assert "$x_1$" in visible
    assert "{{ 7*7 }}" in visible
    assert "\\u202egpj\\ud800 \U0001f9e0" in visible
    assert not re.search("[\x00\x1b\u202e]", text)


def test_several_files_are_on_one_page_with_links_to_each() -> None:
    root = parsed(html.page([("a.pt", file(), ""), ("b.pt", None, "b.pt is no checkpoint"), ("c.pt", broken(), "")]))
    assert [e.text for e in of(root, "h1")] == [SOUND, "Could not be read", COUNTS]
    links = [e.get("href") for e in of(of(root, "nav")[0], "a")]
    assert links == ["#r0", "#r1", "#r2"]
    assert "b.pt is no checkpoint" in texts(root)


def test_what_is_over_is_a_list_of_its_own_with_what_it_may_have_caused() -> None:
    (section,) = [e for e in of(page_of("broken"), "section") if str(e.get("aria-labelledby")).endswith("-history")]
    flickered, woke = map(texts, of(section, "li"))
    assert "input 2 held event counts, until update 1, updates 4 and 7 to 9 (comes and goes)" in flickered
    assert "may have caused SPK201 at" in flickered
    assert "did not reach its threshold, until update 3" in woke


def test_what_changed_since_another_file_is_a_table_of_what_is_not_the_same() -> None:
    changes = (
        ChangeReading("fc1.weight", "changed", (3, 2), 0.0823, 0.0342, 6, 0.12, 0.121, lost_elements=1),
        ChangeReading("fc2.weight", "same", (3, 2), 0.0, 0.0, 0, 0.1, 0.1),
        ChangeReading(HOSTILE, "new", (1,)),
    )
    files = [("late.pt", file(), ""), ("other.pt", file(), "")]
    root = parsed(html.page(files, against=HOSTILE, changes={"late.pt": changes}))
    (section,) = [e for e in of(root, "section") if str(e.get("aria-labelledby")).endswith("-changes")]
    assert [[texts(cell).strip() for cell in row] for row in of(of(section, "tbody")[0], "tr")] == [
        ["fc1.weight", "changed, 1 now non-finite", "0.0823", "0.0342", "0.12", "0.121"],
        [texts(of(section, "th")[-1]).strip(), "new", "–", "–", "–", "–"],
    ]
    assert '<script>alert("x")</script>' in texts(of(section, "h2")[0])
    assert "1 of 3 tensors are unchanged." in texts(section)


def test_the_same_report_gives_the_same_page_whatever_style_the_user_has() -> None:
    import matplotlib

    mine = {"axes.facecolor": "red", "text.color": "white", "font.size": 30, "svg.fonttype": "path"}
    with matplotlib.rc_context(mine):
        minute = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC")
        assert minute.sub("", html.page([("", drawn(), "")])) == minute.sub("", text_of("drawn"))
        assert matplotlib.rcParams["font.size"] == 30


# -- files, and what is missing


def test_the_report_writes_itself(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    healthy().to_html(path)
    now, before = (
        re.sub(r"\d\d:\d\d UTC", "", page) for page in (path.read_text(encoding="utf-8"), text_of("healthy"))
    )
    assert now == before
    with pytest.raises(SpikecheckError, match="cannot be written"):
        healthy().to_html(tmp_path / "no folder" / "report.html")


@pytest.mark.parametrize(
    ("absent", "shown_text"),
    [
        (("jinja2",), "needs jinja2, which is not installed: pip install 'spikecheck[html]'"),
        (("jinja2", "matplotlib"), "needs jinja2 and matplotlib, which are not installed"),
    ],
)
def test_without_a_library_the_message_names_the_extra(
    absent: tuple[str, ...], shown_text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(html, "find_spec", lambda name: None if name in absent else object())
    with pytest.raises(SpikecheckError, match=re.escape(shown_text)):
        healthy().to_html(tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []


def test_what_findings_mean_is_on_the_page_since_its_reader_may_have_nothing_else() -> None:
    one = finding("SPK203", "dead-layer", SiteKind.SPIKES, "lif1", 0, "lif1 is silent")
    verdict = Verdict("SPK203", "dead-layer", Outcome.FINDINGS, (one,), meaning="No `spike` <fires>.\n\nAll get zeros.")
    passed = Verdict("SPK205", "weak-drive", Outcome.PASSED, meaning="Not shown.")
    root = page(Report.of([verdict, passed]))
    (link,) = [e for e in of(root, "a") if e.get("href") == "#r0-SPK203"]
    assert link.text == "what SPK203 means"
    (meaning,) = [e for e in of(root, "dl") if e.get("class") == "meanings"]
    assert [texts(e).strip() for e in meaning] == ["SPK203 dead-layer", "No spike <fires>. All get zeros."]
    assert [e.text for e in of(meaning, "code")] == ["spike"]
    unsaid = page(Report.of([replace(verdict, meaning="")]))
    assert "What the findings mean" not in texts(unsaid)


def test_a_symptom_is_not_called_a_root_cause() -> None:
    plateau = finding("SPK302", "chance-plateau", SiteKind.LOSS, "loss", 9, "loss stays at 3.00")
    verdict = Verdict("SPK302", "chance-plateau", Outcome.FINDINGS, (plateau,))
    root = page(Report.of([verdict, Verdict("SPK203", "dead-layer", Outcome.PASSED)]))
    labels = [e.text for e in of(root, "p") if e.get("class") == "label" and "·" in (e.text or "")]
    assert [label.partition(" · ")[0] for label in labels if label] == ["symptom"]
    assert "root cause" not in texts(root).lower()
