"""Writes docs/frameworks.md from what the suite measures: `python -m tests.conformance.support`."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from tests.conformance.features import FEATURES, FOR_ALL, measured
from tests.conformance.table import Kind, kinds

PAGE = Path(__file__).resolve().parents[2] / "docs" / "frameworks.md"
PREFACE = """<!-- Written by tests/conformance/support.py: `make docs`. -->

# Which libraries, and what holds for each

Every cell is measured by the conformance suite (`make conformance`), on the same two-layer network in each library, on
the CPU. A number refers to the reason below the table why the question does not arise. Where a neuron cannot spike
several times in a step, "yes" in that row means that nothing is said of it. The suite fails where this page says
anything else than what it measures.
"""


def table(chosen: list[Kind], heads: list[str], titles: list[str], *, across: bool) -> str:
    """Cells of features by kinds; the kinds stand in the columns (`across`) or in the rows."""
    reasons: list[str] = []

    def cell(kind: Kind, title: str) -> str:
        said, _ = measured(title, str(kind))
        if said in ("yes", "no"):
            return said
        if said not in reasons:
            reasons.append(said)
        return f"– ({reasons.index(said) + 1})"

    if across:
        head, rows = heads, [(title, [cell(kind, title) for kind in chosen]) for title in titles]
    else:
        rows = [(name, [cell(kind, title) for title in titles]) for kind, name in zip(chosen, heads, strict=True)]
        head = titles
    lines = [f"| | {' | '.join(head)} |", "|---" * (len(head) + 1) + "|"]
    lines += [f"| {name} | {' | '.join(cells)} |" for name, cells in rows]
    lines += ["", *(f"{number}. {reason}" for number, reason in enumerate(reasons, 1))]
    return "\n".join(lines).rstrip() + "\n"


def page() -> str:
    """The whole page."""
    every = kinds()
    main = [kind for kind in every if kind.main]
    heads = [f"{kind.library} {version(kind.library).partition('+')[0]}, {kind.name}" for kind in main]
    features = table(main, heads, list(FEATURES), across=True)
    layers = table(every, [str(kind) for kind in every], list(FOR_ALL), across=False)
    return f"{PREFACE}\n## One layer of each library\n\n{features}\n## Every layer that is tried\n\n{layers}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
