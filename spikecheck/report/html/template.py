"""The page from its template. Everything that comes from a model or a file is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from spikecheck.finding import Outcome
from spikecheck.number_format import number, percentage
from spikecheck.report.format import (
    IGNORE_TABLE,
    counted,
    distinct,
    first_seen,
    ignore_line,
    past_line,
    short,
    suspicion,
    time_steps,
)
from spikecheck.report.html.text import paragraphs, visible
from spikecheck.report.html.view import Entry
from spikecheck.report.ranks import rank_cells
from spikecheck.report.treated import copy_cells, treatment_result
from spikecheck.stored import ChangeReading

if TYPE_CHECKING:
    from spikecheck.report.model import Report

FOLDER = Path(__file__).parent


def render(
    reports: list[tuple[str, Report | None, str]],
    title: str,
    against: str,
    changes: Mapping[str, Sequence[ChangeReading]],
) -> str:
    """Return the page on these reports; without a title, the conclusion of the first one."""
    entries = [
        Entry(name, report, error, f"r{number}", changes.get(name))
        for number, (name, report, error) in enumerate(reports)
    ]
    first = next((f"{entry.sentence} · {entry.name or 'spikecheck'}" for entry in entries), "spikecheck")
    style = Markup((FOLDER / "style.css").read_text(encoding="utf-8"))
    return template().render(
        entries=entries,
        title=title or first,
        heading=title,
        against=against,
        style=style,
        version=version("spikecheck"),
        written=f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC",
    )


@cache
def template() -> Template:
    """Return the template; an undefined name in it is an error."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        short=short,
        distinct=distinct,
        number=number,
        percentage=percentage,
        ignore_line=ignore_line,
        first_seen=first_seen,
        rank_cells=rank_cells,
    )
    environment.filters.update(copy_cells=copy_cells, treatment_result=treatment_result)
    environment.filters.update(past_line=past_line, suspicion=suspicion, time_steps=time_steps, paragraphs=paragraphs)
    environment.globals.update(Outcome=Outcome, IGNORE_TABLE=IGNORE_TABLE, counted=counted)
    return environment.get_template("page.html")
