"""`python -m benchmarks.faults [--only PATTERN] [--twins] [--write] [--folder DIR]`: which faults spikecheck finds."""

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
    """Run the chosen cases; print a table and the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument(
        "--only", default="*", metavar="PATTERN", help="run only cases whose name matches, such as 'norse-*'"
    )
    parser.add_argument("--twins", action="store_true", help="also run each script without its fault")
    parser.add_argument("--write", action="store_true", help="write docs/truth.md (implies --twins)")
    parser.add_argument(
        "--folder", type=Path, metavar="DIR", help="run the case modules of a folder instead of the benchmark's own"
    )
    arguments = parser.parse_args()
    if arguments.write and (arguments.folder or arguments.only != "*"):
        parser.error("--write needs all cases of the benchmark: omit --only and --folder")
    chosen = [case for case in cases(arguments.folder).values() if fnmatch(case.name, arguments.only)]
    done, shown = [], table()
    console = Console()
    with console.status("") as status:
        for result in results(chosen, twins=arguments.twins or arguments.write, folder=arguments.folder):
            done.append(result)
            shown.add_row(*row(result))
            status.update(f"{len(done)} of {len(chosen)}: {result.case.name}")
    console.print(shown)
    console.print(str(Score.of(done)))
    if arguments.write:
        PAGE.write_text(page(done, REASONS), encoding="utf-8")


if __name__ == "__main__":
    main()
