"""The repository as the house tests read it: paths, syntax trees, and what a file imports."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "spikecheck"
LIBRARIES = {path.stem for path in (PACKAGE / "probe/frameworks").glob("*.py")} - {"__init__", "base", "generic"}


def sources(*folders: str) -> list[Path]:
    """Every Python file below the named folders of the repository, in order."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def short(path: Path) -> str:
    """The path as a reader of a failure wants it: from the repository's root."""
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imports(path: Path) -> list[tuple[int, str]]:
    """(line, absolute dotted name) of every import in a file, wherever it stands: in a function, under TYPE_CHECKING.

    `from .. import finding` gives `spikecheck.finding`; `from ..finding import Observed` gives `spikecheck.finding`.
    """
    package = ("spikecheck", *path.relative_to(PACKAGE).parts[:-1])
    statements: list[tuple[int, str]] = []
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            statements += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parents = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join((*parents, *([node.module] if node.module else [])))
            names_are_modules = base == "spikecheck" or not node.module
            statements += [(node.lineno, f"{base}.{a.name}" if names_are_modules else base) for a in node.names]
    return sorted(set(statements))


def strings(path: Path) -> list[tuple[int, str]]:
    """(line, text) of every string in the code; docstrings are prose, and left out."""
    prose = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                prose.add(first.value)
    return [
        (node.lineno, node.value)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in prose
    ]
