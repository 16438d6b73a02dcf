"""What `torch.compile` with inductor makes of a watched model: minutes of a C++ compiler, by `make inductor`."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

from tests.conformance.features.compiling import OWN_BREAKS, compiled, same
from tests.conformance.table import Kind, kinds

RESULTS = Path(__file__).with_name("inductor.json")


def measure(kind: Kind) -> str:
    """Return the result for a kind; AssertionError where watching changed anything."""
    alone, ours = (compiled(kind, "inductor", watching=watching) for watching in (False, True))
    same(alone, ours)
    return OWN_BREAKS if alone.breaks else "no break, no recompile, the same losses"


def section() -> str:
    """Return the part of docs/frameworks.md about it, from what was measured last."""
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    rows = [f"- {name}: {outcome}" for name, outcome in results["answers"].items()]
    note = f"Measured with torch {results['torch']} by `make inductor`, which takes minutes."
    return "\n".join(["## `torch.compile` with inductor", "", note, "", *rows, ""])


if __name__ == "__main__":
    answers = {str(kind): measure(kind) for kind in kinds() if kind.main and kind.compiles}
    measured = {"torch": version("torch").partition("+")[0], "answers": answers}
    RESULTS.write_text(json.dumps(measured, indent=2) + "\n", encoding="utf-8")
