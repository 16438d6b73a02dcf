"""Links lead somewhere, commands in the texts exist, and generated pages are what the generator writes."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from spikecheck.checks.discovery import merged_causes, own_checks
from tests.house.tree import PACKAGE, ROOT, short

PAGES = sorted(
    [*ROOT.glob("*.md"), *(p for folder in ("docs", "tests", "benchmarks") for p in (ROOT / folder).rglob("*.md"))]
)
OF_THE_CODE = [ROOT / "docs/architecture.md", ROOT / "tests/README.md", *sorted((ROOT / "docs/decisions").glob("*.md"))]
FENCED = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)


def ids(paths: list[Path]) -> list[str]:
    return [short(path) for path in paths]


@pytest.mark.parametrize("page", PAGES, ids=ids(PAGES))
def test_relative_links_lead_to_a_file(page: Path) -> None:
    prose = FENCED.sub("", page.read_text(encoding="utf-8"))
    targets = [t.partition("#")[0] for t in re.findall(r"\]\(([^)\s]+)\)", prose) if "://" not in t]
    missing = [target for target in targets if target and not (page.parent / target).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=ids(PAGES))
def test_what_the_page_tells_to_run_exists(page: Path) -> None:
    """A `make` target or a `spikecheck` command that a text names must be there."""
    text = page.read_text(encoding="utf-8")
    spans = [span for block in FENCED.findall(text) for span in block[1].splitlines()] + re.findall(
        r"`([^`\n]+)`", text
    )
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z -]*):", makefile, flags=re.MULTILINE))
    known = {word for target in targets for word in target.split()}
    commands = {path.stem.replace("_", "-") for path in (PACKAGE / "cli").glob("*.py")}
    wrong = []
    for span in spans:
        line = span.strip().removeprefix("$ ").partition("#")[0]
        if made := re.match(r"make ([a-z][a-z -]*)", line):
            wrong += [f"make {word}" for word in made[1].split() if word not in known]
        if called := re.match(r"spikecheck ([a-z][a-z-]*)\b", line):
            wrong += [line] if called[1] not in commands else []
    assert not wrong


@pytest.mark.parametrize("page", PAGES, ids=ids(PAGES))
def test_python_in_the_page_compiles(page: Path) -> None:
    for language, code in FENCED.findall(page.read_text(encoding="utf-8")):
        if language == "python":
            ast.parse(code)


def test_generated_pages_are_in_step() -> None:
    run = subprocess.run([sys.executable, "docs/generate.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_graphs_of_causes_say_what_the_checks_say() -> None:
    """Along the arrows one comes from each cause to all that it explains, and to nothing else."""
    page = (ROOT / "docs" / "checks" / "causes.md").read_text(encoding="utf-8")
    drawn = Counter(re.findall(r"^    (\w+) --> (\w+)$", page, flags=re.MULTILINE))
    assert set(drawn.values()) == {1}
    arrows: dict[str, set[str]] = {id_: {cause for cause, effect in drawn if effect == id_} for id_ in own_checks()}
    named = {id_: set(causes) for id_, causes in merged_causes(own_checks().values()).items()}
    for id_, check in own_checks().items():
        assert arrows[id_] <= named[id_]
        assert reached(id_, arrows) == reached(id_, named)
        assert bool(named[id_] or id_ == "SPK001") != (f"- [{id_}]({id_}.md) {check.slug}" in page)


def reached(id_: str, named: dict[str, set[str]]) -> set[str]:
    """All that is behind an id, through any number of others."""
    return named[id_].union(*(reached(cause, named) for cause in named[id_]))


def test_every_command_has_a_line_of_help() -> None:
    for path in (PACKAGE / "cli").glob("*.py"):
        first = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]
        assert first, f"{short(path)} needs a docstring: its first line is what `spikecheck --help` shows"


@pytest.mark.parametrize("page", OF_THE_CODE, ids=ids(OF_THE_CODE))
def test_files_that_the_page_names_exist(page: Path) -> None:
    """A path in backticks is one from the repository's root, from the package, or from the page's own folder."""
    prose = FENCED.sub("", page.read_text(encoding="utf-8"))
    paths = re.findall(r"`((?:[\w.-]+/)+(?:[\w-]+\.(?:py|md|txt|toml|json))?)`", prose)
    missing = [p for p in paths if not any((root / p).exists() for root in (ROOT, PACKAGE, page.parent))]
    assert not missing
