"""The HTML report as a browser shows it: Debian's Chromium opens the file, and is asked what it sees.

What can be asked of the text of the page alone is asked in tests/views, which need no browser.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.chromium import Chromium, installed
from tests.unit.report.pictures import drawn

NAME = '<script>document.title = "taken over"</script><img src=x onerror="document.title = 1">'
# Of each text that is shown, the contrast with the ground behind it, by WCAG 2; the ground is the nearest one drawn.
CONTRASTS = """
(() => {
  const parts = color => color.match(/[\\d.]+/g).map(Number);
  const luminance = color => parts(color).slice(0, 3).map(c => c / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
  const ground = e => e && (c => parts(c)[3] === 0 ? ground(e.parentElement) : c)(getComputedStyle(e).backgroundColor);
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  for (let node; node = texts.nextNode();) {
    const e = node.parentElement, style = getComputedStyle(e);
    if (!node.data.trim() || e.closest('title, desc, style') || !e.checkVisibility()) continue;
    const [a, b] = [e.closest('svg') ? style.fill : style.color, ground(e) || 'rgb(255, 255, 255)'].map(luminance);
    found.push([(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), node.data.trim().slice(0, 40)]);
  }
  return found;
})()
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("page") / "report.html"
    drawn(layer=NAME, weight=NAME, loss=NAME).to_html(path)
    return path.as_uri()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    program = installed()
    if program is None:
        pytest.skip("the HTML report is not opened in a browser: apt-get install chromium")
    browser = Chromium(program, tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture
def page(chromium: Chromium, url: str) -> Chromium:
    """The report, opened on a desk in the light."""
    look(chromium)
    chromium.open(url)
    return chromium


def look(browser: Chromium, *, width: int = 1280, height: int = 800, scheme: str = "light", media: str = "") -> None:
    """Choose the window and the theme."""
    browser.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.call("Emulation.setEmulatedMedia", media=media, features=features)
    browser.value("new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(() => drawn(true))))")


def test_the_verdict_is_what_one_sees_first(page: Chromium) -> None:
    sentence = "input holds event counts (0 to 47), not binary spikes"
    assert page.value("document.title") == f"{sentence} · spikecheck"
    observed = """(box => document.elementFromPoint(box.x + 5, box.y + box.height / 2).innerText)
              (document.querySelector('h1').getBoundingClientRect())"""
    assert page.value(observed) == sentence
    assert page.value("document.querySelector('.verdict .lead').innerText") == "SPK101 count-input"


def test_nothing_is_loaded_and_nothing_complains(page: Chromium, url: str) -> None:
    assert [request["request"]["url"] for request in page.named("Network.requestWillBeSent")] == [url]
    for complaint in ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"):
        assert page.named(complaint) == []


def test_a_name_that_is_a_script_is_text(page: Chromium) -> None:
    assert page.value("document.querySelectorAll('script, img').length") == 0
    assert page.value("[...document.querySelectorAll('h3')].map(e => e.innerText)")[0] == NAME
    assert NAME in page.value("document.querySelector('table').innerText")
    drawn_names = page.value("[...document.querySelectorAll('svg text')].map(e => e.textContent)")
    assert f"…{NAME[-44:]}" in drawn_names, "a weight in its picture"


@pytest.mark.parametrize(("scheme", "media"), [("light", ""), ("dark", ""), ("dark", "print")])
def test_every_text_stands_out_from_its_ground(page: Chromium, scheme: str, media: str) -> None:
    look(page, scheme=scheme, media=media)
    contrasts = page.value(CONTRASTS)
    assert len(contrasts) > 200
    assert [text for contrast, text in contrasts if contrast < 4.5] == []
    dark = page.value("getComputedStyle(document.body).backgroundColor") == "rgb(16, 20, 24)"
    assert dark is (scheme == "dark" and media == "")


def test_on_a_phone_nothing_is_cut_off_and_the_pictures_can_be_read(page: Chromium) -> None:
    look(page, width=390, height=844)
    assert page.value("document.documentElement.scrollWidth") <= 390
    sizes = """[...document.querySelectorAll('svg text')]
               .map(e => [parseFloat(getComputedStyle(e).fontSize), e.getScreenCTM()])
               .map(([size, at]) => size * Math.hypot(at.a, at.b))"""
    assert min(page.value(sizes)) >= 8


def test_it_can_be_used_without_a_mouse(page: Chromium) -> None:
    page.press("Tab")
    assert page.value("document.activeElement.innerText") == "Skip to the verdict"
    assert page.value("document.activeElement.getBoundingClientRect().x") > 0, "it shows itself"
    page.press("Enter")
    assert page.value("document.activeElement.id") == "main"
    page.press("Tab")
    page.press("Enter")
    assert page.value("document.activeElement.matches('tr:target')"), "the first cause leads to its evidence"
    assert "SPK101 count-input" in page.value("document.activeElement.innerText")
    page.value("document.querySelector('summary').focus()")
    page.press("Enter")
    assert page.value("document.querySelector('details').open")


def test_a_screen_reader_finds_headings_and_pictures_with_their_names(page: Chromium) -> None:
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]

    def of(role: str) -> list[dict[str, Any]]:
        return [n for n in nodes if not n["ignored"] and n["role"]["value"] == role]

    headings = [n["name"]["value"] for n in of("heading")]
    assert headings[:4] == [
        "input holds event counts (0 to 47), not binary spikes",
        "Root causes and consequences",
        "History",
        "Loss and weights",
    ]
    pictures = of("image")
    assert len(pictures) == page.value("document.querySelectorAll('svg').length")
    assert all(re.search(r" of |per update|^(Gradient norm|Learning rate), ", n["name"]["value"]) for n in pictures)


def test_one_click_selects_the_whole_fix(page: Chromium) -> None:
    box = page.value("(b => [b.x + 20, b.y + b.height / 2])(document.querySelector('pre.fix').getBoundingClientRect())")
    for kind in ("mousePressed", "mouseReleased"):
        page.call("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)
    selected = page.value("getSelection().toString().trim()")
    assert selected == page.value("document.querySelector('pre.fix').innerText.trim()") != ""


@pytest.mark.full
def test_it_prints_on_a_few_pages(page: Chromium) -> None:
    """Three for a network of two layers; this one has five."""
    pdf = base64.b64decode(page.call("Page.printToPDF", preferCSSPageSize=True)["data"])
    assert len(re.findall(rb"/Type\s*/Page[^s]", pdf)) <= 4


def test_on_paper_the_closed_list_of_checks_is_open(page: Chromium) -> None:
    shown = "document.querySelector('details td').checkVisibility({contentVisibilityAuto: true})"
    assert not page.value(shown)
    look(page, media="print")
    assert page.value(shown)
