"""Write what is made from the checks: docs/checks/*.md, its index, docs/checks/causes.md.

And the comparison in README.md, the tables of docs/json.md, from the schema of the JSON report, the list of
docs/decisions, the table of imports in docs/architecture.md, the experiments in docs/how-to/examine-a-network.md, and
the commands in docs/command-line.md.

`python docs/generate.py` writes; `python docs/generate.py --check` writes nothing and exits 1 where a file differs.
"""

from __future__ import annotations

import argparse
import inspect
import json
import re
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import click

from spikecheck.checks.base import Check
from spikecheck.checks.discovery import Causes, merged_causes, own_checks
from spikecheck.cli import commands
from spikecheck.cli.checks import FAMILIES
from spikecheck.cli.explain import page
from spikecheck.examination.experiments.base import experiments
from tests.house.rooms import table as rooms

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "checks"
README = ROOT / "README.md"
WRITTEN = "<!-- Written by docs/generate.py"  # a page without this line is written by hand: that of a removed check
JSON = ROOT / "docs" / "json.md"
EXPERIMENTS = ROOT / "docs" / "how-to" / "examine-a-network.md"
ARCHITECTURE = ROOT / "docs" / "architecture.md"
COMMAND_LINE = ROOT / "docs" / "command-line.md"
HELP_WIDTH = 80  # columns of the terminal
CHECK_PICTURES = ROOT / "docs" / "checks" / "images"
DECISIONS = ROOT / "docs" / "decisions"
SCHEMA = ROOT / "spikecheck" / "report" / "schema-1.json"
CAUSES = """\
# What explains what

A finding is a root cause unless a finding upstream, or earlier in training, explains it. Which check can explain which
is stated in the checks, as `explained_by` or `explains`. Each graph shows the findings of one family and what explains
them, from any family; an arrow leads from a cause to its consequence.

Where a cause leads to a consequence directly and through another check, only the path through the other is drawn. The
page of each check lists all of them, under *Consequence of* and *Leads to*. The relation has no cycle.
"""
DECISIONS_PAGE = """\
# Decisions

What was decided about the code, why, and what it costs. One file per decision, with the same parts: the title, *Status*
(`accepted`, or `superseded by` another one), *Context*, *Decision* and *Consequences*. A decision that no longer holds
keeps its file and gets a new status. Numbers are never reused.

"""
UNUSED_DECISIONS = (16, 17, 21)  # reserved for records that were never written


def source(check: type[Check]) -> str:
    """Name the file a check is written in, from the repository's root."""
    return check.__module__.replace(".", "/") + ".py"


def check_page(check: type[Check], known: dict[str, type[Check]]) -> str:
    """The page of one check, with a first line that says where to edit it, and links to the checks it names."""
    first = f"{WRITTEN} from {source(check)}: edit that file, then `make docs`. -->\n\n"
    text = page(check, known)
    linked = re.sub(r"(?m)^- (SPK\d{3}) ", lambda m: f"- [{m[1]}]({m[1]}.md) " if m[1] in known else m[0], text)
    if (CHECK_PICTURES / f"{check.id}.png").exists():
        picture = f"![The broken and the repaired example, as they run](images/{check.id}.png)\n\n"
        linked = linked.replace("## Fix\n", f"{picture}## Fix\n", 1)
    return f"{first}{linked}\n[Source](../../{source(check)})\n"


def table(checks: list[type[Check]], folder: str) -> str:
    """Rows of id, name, severity and summary, linked to the pages."""
    rows = [
        f"| [{c.id}]({folder}{c.id}.md) | {c.slug} | {c.severity.name.lower()} | {' '.join(c.sections()[''].split())} |"
        for c in checks
    ]
    return "\n".join(["| id | name | severity | finds |", "|---|---|---|---|", *rows]) + "\n"


def index(checks: list[type[Check]]) -> str:
    """The list of all pages, a table a family."""
    parts = [f"{WRITTEN}: `make docs`. -->\n\n# What is checked\n\nSee also: [what explains what](causes.md).\n"]
    for digit, family in FAMILIES.items():
        members = [check for check in checks if check.id[3] == digit]
        parts += [f"\n## {family.capitalize()}\n\n{table(members, '')}"] if members else []
    return "".join(parts)


def fields(schema: dict[str, Any]) -> str:
    """A table of fields for each kind of object that a JSON schema describes."""
    described = {name: kind for name, kind in schema["$defs"].items() if {"properties", "$ref"} & kind.keys()}
    kinds = {
        "The whole": schema,
        **{name.capitalize().replace("_", " "): kind for name, kind in described.items() if "description" in kind},
    }
    return "\n".join(f"## {name}\n\n{kind['description']}\n\n{rows(kind, schema)}" for name, kind in kinds.items())


def rows(kind: dict[str, Any], schema: dict[str, Any]) -> str:
    """The fields of one kind of object; those of what it refers to where it adds none."""
    own = kind.get("properties") or schema["$defs"][kind["$ref"].rpartition("/")[2]]["properties"]
    lines = [f"| `{name}` | {kind_of(value)} | {value['description']} |" for name, value in own.items()]
    return "\n".join(["| field | is | means |", "|---|---|---|", *lines]) + "\n"


def kind_of(value: dict[str, Any]) -> str:
    """A JSON schema in words."""
    if "const" in value:
        return f"{value['const']}"
    if "enum" in value:
        return ", ".join(f"`{one}`" for one in value["enum"])
    if "$ref" in value:
        return value["$ref"].rpartition("/")[2].replace("_", " ")
    if "anyOf" in value:
        return " or ".join(map(kind_of, value["anyOf"]))
    if "items" in value:
        return f"list of {kind_of(value['items'])}"
    if "properties" in value:
        return f"object of {', '.join(f'`{name}`' for name in value['properties'])}"
    return " or ".join([value["type"]] if isinstance(value["type"], str) else value["type"])


def between_marks(page: Path, what: str, text: str) -> str:
    """A page with what stands between the two marks replaced."""
    begin, end = f"<!-- {what}: written by docs/generate.py -->\n", f"<!-- end of {what} -->"
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    return f"{before}{begin}{text}{end}{rest.partition(end)[2]}"


def experiments_page() -> str:
    """Return a section for each experiment of `spikecheck.examine`, from its class."""
    parts = []
    for one in experiments():
        supports = " It only supports other findings." if one.supports_only else ""
        rows = [("needs", one.needs), ("cost", one.cost), ("proves", one.proves), ("cannot tell", one.cannot_tell)]
        listed = "\n".join(f"- *{title}*: {text}." for title, text in rows)
        about = " ".join(inspect.cleandoc(type(one).__doc__ or "").split())
        text = f"{about} Made on the network {one.phase.value}.{supports}"
        parts.append(f"### {one.name.capitalize()}\n\n{text}\n\n{listed}\n")
    return "\n".join(parts)


def command_line() -> str:
    """Return a section with the help of each command."""
    return "\n".join(f"## {name}\n\n```text\n{text}\n```\n" for name, text in helps("spikecheck", commands))


def helps(name: str, command: click.Command, parent: click.Context | None = None) -> Iterator[tuple[str, str]]:
    """Yield the full name and the help of a command and of those below it."""
    called = name.rpartition(" ")[2]
    context = click.Context(command, parent, info_name=called, terminal_width=HELP_WIDTH, max_content_width=HELP_WIDTH)
    yield name, command.get_help(context)
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            one = command.get_command(context, below)
            assert one is not None
            yield from helps(f"{name} {below}", one, context)


def decisions() -> str:
    """Return the index of the decision records, with the numbers that no record has."""
    rows = ["| number | decision | status |", "|---|---|---|"]
    for path in sorted(DECISIONS.glob("0*.md")):
        title, _, status = path.read_text(encoding="utf-8").splitlines()[:3]
        number, _, name = title.removeprefix("# ").partition(". ")
        rows.append(f"| {number} | [{name}]({path.name}) | {status.removeprefix('Status: ')} |")
    unused = " and ".join(", ".join(map(str, UNUSED_DECISIONS)).rsplit(", ", 1))
    table = "\n".join(rows)
    return f"{WRITTEN}: `make docs`. -->\n\n{DECISIONS_PAGE}{table}\n\nThe numbers {unused} were never used.\n"


def peers() -> str:
    """Return what other tools cost and see, from the page that the benchmark writes."""
    text = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8").partition("## Beside other tools")[2]
    rows = [line.strip("| ").split(" | ") for line in text.partition("## ")[0].splitlines() if line.startswith("| ")]
    shown = [
        (row[0], row[1], row[-1]) for row in rows if len(row) == 6 and "floor" not in row[-1] and "=" not in row[0]
    ]
    head, rule, *tools = [f"| {' | '.join(row)} |" for row in shown]
    return "\n".join([head, rule, *tools]) + "\n"


def causes(known: dict[str, type[Check]]) -> str:
    """The relation between causes and consequences, drawn: a graph for each family that has consequences in it."""
    parts = [f"{WRITTEN}: `make docs`. -->\n\n{CAUSES}"]
    relation = merged_causes(known.values())
    direct = direct_causes(relation)
    for digit, family in FAMILIES.items():
        edges = [(cause, id_) for id_ in known if id_[3] == digit for cause in direct[id_]]
        if edges:
            nodes = [
                f'    {id_}["{id_}<br>{known[id_].slug}"]' for id_ in sorted({id_ for edge in edges for id_ in edge})
            ]
            arrows = [f"    {cause} --> {effect}" for cause, effect in edges]
            graph = "\n".join(["```mermaid", "flowchart LR", *nodes, *arrows, "```"])
            parts.append(f"\n## {family.capitalize()}\n\n{graph}\n")
    roots = [check for id_, check in known.items() if not relation[id_] and id_ != "SPK001"]
    listed = "\n".join(f"- [{check.id}]({check.id}.md) {check.slug}" for check in roots)
    parts.append(f"\n## Never a consequence\n\nNo other check explains a finding of these:\n\n{listed}\n")
    return "".join(parts)


def direct_causes(relation: Causes) -> dict[str, list[str]]:
    """Return what explains each check, without what explains it through another of them."""
    upstream: dict[str, set[str]] = {}
    for id_ in TopologicalSorter(relation).static_order():
        upstream[id_] = set(relation[id_]).union(*(upstream[cause] for cause in relation[id_]))
    return {
        id_: [cause for cause in causes if not any(cause in upstream[other] for other in causes)]
        for id_, causes in relation.items()
    }


def generated() -> dict[Path, str]:
    """Every generated file with the text it should have."""
    known = own_checks()
    checks = list(known.values())
    pages = {FOLDER / f"{check.id}.md": check_page(check, known) for check in checks}
    return {
        **pages,
        FOLDER / "index.md": index(checks),
        FOLDER / "causes.md": causes(known),
        ARCHITECTURE: between_marks(ARCHITECTURE, "imports", rooms()),
        DECISIONS / "README.md": decisions(),
        EXPERIMENTS: between_marks(EXPERIMENTS, "experiments", "\n" + experiments_page() + "\n"),
        README: between_marks(README, "peers", peers()),
        COMMAND_LINE: between_marks(COMMAND_LINE, "commands", "\n" + command_line() + "\n"),
        JSON: between_marks(JSON, "fields", "\n" + fields(json.loads(SCHEMA.read_text(encoding="utf-8"))) + "\n"),
    }


def main() -> int:
    """Write or compare, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a file differs")
    comparing = parser.parse_args().check
    wanted = generated()
    differing = [p for p, text in wanted.items() if not p.exists() or p.read_text(encoding="utf-8") != text]
    others = sorted(set(FOLDER.glob("*.md")) - set(wanted))
    stale = [path for path in others if path.read_text(encoding="utf-8").startswith(WRITTEN)]
    if comparing:
        for path in (*differing, *stale):
            sys.stderr.write(f"{path.relative_to(ROOT)} differs from the docstrings: run `make docs`\n")
        return 1 if differing or stale else 0
    FOLDER.mkdir(exist_ok=True)
    for path in differing:
        path.write_text(wanted[path], encoding="utf-8")
    for path in stale:
        path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
