"""`python -m benchmarks.faults [--only PATTERN] [--twins] [--write] [--folder DIR]`: what is found, and what is not."""

from __future__ import annotations

import argparse
from fnmatch import fnmatch
from pathlib import Path

from rich.console import Console

from .jobs import cases, results
from .page import page
from .reasons import REASONS
from .scores import Score, row, table

PAGE = Path(__file__).resolve().parents[2] / "docs" / "truth.md"


def main() -> None:
    """Run the chosen cases, and print a table and the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--only", default="*", metavar="PATTERN", help="cases whose name matches, as in 'norse-*'")
    parser.add_argument("--twins", action="store_true", help="also run each fault's script without the mistake")
    parser.add_argument("--write", action="store_true", help="write docs/truth.md, with twins")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="run the case modules of a folder instead")
    given = parser.parse_args()
    if given.write and (given.folder or given.only != "*"):
        parser.error("--write is for all of the benchmark's own cases")
    chosen = [case for case in cases(given.folder).values() if fnmatch(case.name, given.only)]
    done, shown = [], table()
    console = Console()
    with console.status("") as status:
        for result in results(chosen, twins=given.twins or given.write, folder=given.folder):
            done.append(result)
            shown.add_row(*row(result))
            status.update(f"{len(done)} of {len(chosen)}: {result.case.name}")
    console.print(shown)
    console.print(str(Score.of(done)))
    if given.write:
        PAGE.write_text(page(done, REASONS), encoding="utf-8")


if __name__ == "__main__":
    main()
