"""Explain a check: what it means, an example, how to fix it, when it is intended, how it is decided."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import Field, fields
from math import inf
from typing import Any

import click

from spikecheck.checks.base import EXAMPLES, HAND_WRITTEN, Check
from spikecheck.checks.discovery import RETIRED, discover, merged_causes, unusable_extensions
from spikecheck.cli.checks import listing

LIBRARY_NAMES = {"any": "any library", HAND_WRITTEN: "a hand-written layer"}
SOURCES = (
    "Each reason says where the value comes from: *derived* (computed), *measured* (in the small networks that this "
    "project trains in its tests and benchmarks), *published*, or a *judgment call* (nothing was measured)."
)
CONSEQUENCE_OF = "If one of these is reported in the same run, this finding is listed below it: fix that one first."
IGNORE_IT = "To ignore the finding, add this to `pyproject.toml`, with a reason in your own words:"
#: How a symptom is called, and how the texts of the checks may call it: beginnings of words.
SYNONYMS = {
    "nan": ("nan", "not finite", "non finite", "infinite"),
    "inf": ("infinite", "not finite", "non finite"),
    "stuck": ("stuck", "plateau", "stays", "stalled", "chance"),
    "plateau": ("plateau", "stays", "stalled"),
    "silent": ("silent", "dead", "never fires"),
    "dead": ("dead", "silent", "never fires"),
    "saturated": ("saturat", "nearly all the time"),
    "fires": ("fires", "firing", "spikes"),
    "eval": ("eval",),
    "validation": ("evaluat",),
    "val": ("evaluat",),
    "overfits": ("evaluat",),
    "overfitting": ("evaluat",),
    "retain": ("graph of an earlier",),
    "test": ("evaluat",),
    "increases": ("explo", "grow", "hot", "worse"),
    "up": ("explo", "grow", "hot", "worse"),
    "explodes": ("explo",),
    "exploding": ("explo",),
    "vanishes": ("vanish",),
    "lr": ("learning rate",),
    "high": ("high", "hot", "large"),
    "low": ("low", "cold", "small"),
    "zero": ("zero", "0", "vanish"),
    "state": ("state", "potentials of the batch before"),
}
#: What is said in several words, and the one word that stands for it.
PHRASES = (
    (r"all the time", "saturated"),
    (r"(?:no|zero) (?:spikes?|activity)|spikes? (?:are |is )?(?:all )?(?:zeros?|0)\b", "silent"),
    (r"(?:does|do|is|are)? ?(?:not|n't|never|no longer|stops?|stopped) (?:fall|decreas|going down|go down|improv|learn|"
     r"train|converg)\w*", "stuck"),
)  # fmt: skip
FILLERS = frozenset(
    {"a", "after", "all", "and", "at", "but", "goes", "i", "in", "is", "it", "its", "my", "network", "not", "of", "or",
     "snn", "some", "the", "time", "to", "too", "with"}
)  # fmt: skip
WEIGHTS = (4, 2, 1)  # of a word in the name, in the first sentence, in the explanation of a check
MOST_MATCHES = 12  # are listed
LEADS_TO = "If one of these is reported in the same run, it is listed below this finding: fix this one first."


def page(check: type[Check], known: Mapping[str, type[Check]]) -> str:
    """Return the check's documentation as Markdown: its docstring, its limits, and which known checks explain which.

    `docs/generate.py` writes the same text to `docs/checks/`.
    """
    relation = merged_causes(known.values())
    causes = [known[id_] for id_ in relation.get(check.id, check.explained_by) if id_ in known]
    effects = [other for other in known.values() if check.id in relation[other.id]]
    sections = dict(check.sections())
    summary = sections.pop("")
    parts = [
        f"# {check.id} {check.slug}",
        summary,
        f"Severity: {check.severity.label}. Since {check.since}.",
        *(f"## {title}\n\n{label_fences(text)}" for title, text in sections.items() if text),
        limits(check),
        others("Consequence of", CONSEQUENCE_OF, causes),
        others("Leads to", LEADS_TO, effects),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def label_fences(text: str) -> str:
    """Write above each fenced block what it is: readers of Markdown do not see the fence's second word.

    A block of TOML is what silences a check.
    """

    def with_label(fence: re.Match[str]) -> str:
        if fence[3]:
            return f"\n\n{IGNORE_IT}\n\n```toml"
        label = fence[2].capitalize() if fence[2] in EXAMPLES else f"In {LIBRARY_NAMES.get(fence[2], fence[2])}"
        return f"\n\n{label}:\n\n```{fence[1]}"

    return re.sub(r"\n*^```(?:(\w+) (\w+)|(toml))$", with_label, text, flags=re.MULTILINE).strip("\n")


def limits(check: type[Check]) -> str:
    """Return the section on the numbers the check judges by; empty where it has none."""
    rows = [f"- `{limit.name} = {limit.default!r}`{allowed(limit)}: {limit.metadata['why']}" for limit in fields(check)]
    if not rows:
        return ""
    setting = f"```toml\n[tool.spikecheck.{check.id}]\n{fields(check)[0].name} = {fields(check)[0].default!r}\n```"
    return "\n".join(
        ["## Limits", "", SOURCES, "", *rows, "", "To change one, add it to `pyproject.toml`:", "", setting]
    )


def allowed(limit: Field[Any]) -> str:
    """Return the range of a limit where it declares one, in parentheses."""
    low, high = limit.metadata.get("minimum", 0), limit.metadata.get("maximum", inf)
    if high < inf:
        return f" (between {low:g} and {high:g})"
    return f" (can be set to {low:g} or more)" if low > 0 else ""


def others(title: str, meaning: str, checks: Iterable[type[Check]]) -> str:
    """Return a section that lists checks, after a line on what the list means; empty where there are none."""
    rows = [f"- {check.id} {check.slug}" for check in checks]
    return "\n".join([f"## {title}", "", meaning, "", *rows]) if rows else ""


def find(name: str) -> type[Check] | None:
    """Return the check of this id or slug, in any case of letters; None where there is none.

    Raises:
        click.BadParameter: the id belonged to no check, or to one that is gone.
    """
    known = discover()
    for check in known.values():
        if name.lower() in (check.id.lower(), check.slug):
            return check
    id_ = f"SPK{name}" if name.isdecimal() else name.upper()
    if id_ in RETIRED:
        raise click.BadParameter(f"{id_} {RETIRED[id_]}. `spikecheck checks` lists the checks.")
    return known.get(id_)


def matching(symptom: str) -> list[type[Check]]:
    """Return the checks whose texts have the words of a symptom, those that name it first.

    If no check has all of them, those that have the most are returned, provided that these are more than half.
    """
    text = symptom.lower()
    for phrase, word in PHRASES:
        text = re.sub(phrase, f" {word} ", text)
    words = [word for word in re.findall(r"[a-z][a-z0-9]*", text) if word not in FILLERS]
    scores = {check: word_scores(words, check) for check in discover().values()}
    most = max((len(points) for points in scores.values()), default=0)
    if 2 * most <= len(words):
        return []
    return sorted((check for check, points in scores.items() if len(points) == most), key=lambda one: -sum(scores[one]))


def word_scores(words: list[str], check: type[Check]) -> list[int]:
    """Return how prominently a check's texts have each word of a symptom that they have."""
    sections = check.sections()
    places = (check.slug.replace("-", " "), sections[""], f"{check.message} {sections.get('What it means', '')}")
    points = []
    for word in words:
        form = re.compile(rf"\b(?:{'|'.join(map(re.escape, SYNONYMS.get(word, (word.removesuffix('s'),))))})")
        points.append(sum(weight for weight, text in zip(WEIGHTS, places, strict=True) if form.search(text.lower())))
    return list(filter(None, points))


def nearest(name: str) -> str:
    """Return what to type instead of a name that no check has."""
    known = discover()
    names = [*known, *(check.slug for check in known.values())]
    near = difflib.get_close_matches(name.upper(), names, n=3) or difflib.get_close_matches(name.lower(), names, n=3)
    return f"did you mean {' or '.join(near)}?" if near else "`spikecheck checks` lists them"


@click.command()
@click.argument("words", metavar="ID|NAME|SYMPTOM", nargs=-1, required=True)
def command(words: tuple[str, ...]) -> None:
    """Explain a check: what it finds, how to fix it, when to ignore it.

    Takes its id (SPK203 or 203), its name (dead-layer), or a symptom in a few words (nan, "loss stuck", silent), which
    lists the checks to read.
    """
    from rich.console import Console
    from rich.markdown import Markdown

    from spikecheck.report.terminal import print_on

    for extension in unusable_extensions():
        click.echo(f"spikecheck: {extension}", err=True)
    name = " ".join(words)
    check, console = find(name), Console()
    of_family = [
        one
        for one in discover().values()
        if re.fullmatch(r"[a-z]+\d*", name.lower()) and one.id.startswith(name.upper())
    ]
    matches = [] if check else of_family or matching(name)
    if check is None and not matches:
        raise click.BadParameter(f"no check has the id, the name or the symptom {name!r}: {nearest(name)}")
    if check is not None or len(matches) == 1:
        print_on(console, Markdown(page(check or matches[0], discover())))
        return
    print_on(console, listing(matches[:MOST_MATCHES]))
    more = f", {MOST_MATCHES} of them here" if len(matches) > MOST_MATCHES else ""
    print_on(console, f"\n{len(matches)} checks are about this{more}. Explain one: spikecheck explain {matches[0].id}")
