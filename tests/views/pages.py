"""Reports as pages, each drawn and parsed once for all the tests of them, and what one asks of a page."""

from __future__ import annotations

import re
from functools import cache
from xml.etree.ElementTree import Element

import html5lib

from spikecheck.report import html
from spikecheck.report.model import Report
from tests.unit.report.pictures import drawn, file
from tests.unit.report.reports import broken, healthy, nothing

REPORTS = {"broken": broken, "drawn": drawn, "healthy": healthy, "file": file, "nothing": nothing}


def parsed(text: str) -> Element:
    """The page as a browser has it; anything that a browser would have to mend raises."""
    root: Element = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(text)
    return root


@cache
def text_of(name: str) -> str:
    """The page on one of the reports: each is drawn once, which is what takes time."""
    return html.page([("", REPORTS[name](), "")])


@cache
def page_of(name: str) -> Element:
    return parsed(text_of(name))


def page(report: Report) -> Element:
    return parsed(html.page([("", report, "")]))


def local(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def texts(root: Element) -> str:
    return re.sub(r"\s+", " ", " ".join(root.itertext()))


def of(root: Element, tag: str) -> list[Element]:
    return [element for element in root.iter() if local(element) == tag]
