"""Explain a check: what it means, an example, how to fix it, when it is intended, how it is decided."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import fields

import click

from spikecheck.checks.base import EXAMPLES, Check, discover, unusable_extensions

LIBRARY_NAMES = {"any": "any library"}


def page(check: type[Check], known: Mapping[str, type[Check]]) -> str:
    """The check's documentation as Markdown: its docstring, its limits, which of the known checks explain which.

    `docs/generate.py` writes the same text to `docs/checks/`.
    """
    causes = [known[id_] for id_ in check.explained_by if id_ in known]
    effects = [other for other in known.values() if check.id in other.explained_by]
    sections = dict(check.sections())
    summary = sections.pop("")
    parts = [
        f"# {check.id} {check.slug}",
        summary,
        f"Severity: {check.severity.name.lower()}. Since {check.since}.",
        *(f"## {title}\n\n{label_fences(text)}" for title, text in sections.items() if text),
        limits(check),
        others("Consequence of", causes),
        others("Leads to", effects),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def label_fences(text: str) -> str:
    """Write above each fenced block what it is: readers of Markdown do not see the fence's second word."""

    def labelled(fence: re.Match[str]) -> str:
        label = fence[2].capitalize() if fence[2] in EXAMPLES else f"In {LIBRARY_NAMES.get(fence[2], fence[2])}"
        return f"\n\n{label}:\n\n```{fence[1]}"

    return re.sub(r"\n*^```(\w+) (\w+)$", labelled, text, flags=re.MULTILINE).strip("\n")


def limits(check: type[Check]) -> str:
    """The section on the numbers the check judges by; empty where it has none."""
    rows = [f"- `{field.name} = {field.default!r}`: {field.metadata['why']}" for field in fields(check)]
    if not rows:
        return ""
    setting = f"```toml\n[tool.spikecheck.{check.id}]\n{fields(check)[0].name} = {fields(check)[0].default!r}\n```"
    return "\n".join(["## Limits", "", *rows, "", "Another value goes into `pyproject.toml`:", "", setting])


def others(title: str, checks: Iterable[type[Check]]) -> str:
    """A section that lists checks; empty where there are none."""
    rows = [f"- {check.id} {check.slug}" for check in checks]
    return "\n".join([f"## {title}", "", *rows]) if rows else ""


def find(name: str) -> type[Check]:
    """The check of this id or slug, in any case of letters."""
    known = discover()
    for one in unusable_extensions():
        click.echo(f"spikecheck: {one}", err=True)
    for check in known.values():
        if name.lower() in (check.id.lower(), check.slug):
            return check
    names = [*known, *(check.slug for check in known.values())]
    near = difflib.get_close_matches(name.upper(), names, n=3) or difflib.get_close_matches(name.lower(), names, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else "`spikecheck checks` lists them"
    raise click.BadParameter(f"no check is called {name!r}: {hint}")


@click.command()
@click.argument("check", metavar="ID|SLUG", callback=lambda ctx, parameter, value: find(value))
def command(check: type[Check]) -> None:
    """Explain a check, by its id (SPK203) or its slug (dead-layer)."""
    from rich.console import Console
    from rich.markdown import Markdown

    Console().print(Markdown(page(check, discover())))
