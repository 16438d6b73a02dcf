"""`python -m benchmarks.symptoms [--run] [--draw PAGE...]`: write the tables and the pictures of docs/symptoms.

Without an option, the tables are written again from the runs that are stored in runs.json.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.faults.jobs import cases, results
from benchmarks.symptoms.pictures import PICTURES, draw
from benchmarks.symptoms.runs import Run, read, write
from benchmarks.symptoms.symptoms import SYMPTOMS, table

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "symptoms"
BEGIN, END = "<!-- causes: written by `make symptoms` -->\n", "<!-- end of causes -->"


def with_table(text: str, rows: str) -> str:
    """Return a page with its table of causes replaced."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}{rows}{END}{rest.partition(END)[2]}"


def main() -> None:
    """Run what is asked for, and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.symptoms", description=__doc__)
    parser.add_argument("--run", action="store_true", help="run the truth benchmark again first, and draw all pictures")
    parser.add_argument("--draw", nargs="*", choices=PICTURES, default=[], help="draw the pictures of these pages")
    arguments = parser.parse_args()
    if arguments.run:
        faulty = [case for case in cases(None).values() if case.cause is not None]
        write([Run.of(result) for result in results(faulty, twins=True, folder=None)])
    for page in PICTURES if arguments.run else arguments.draw:
        draw(page, FOLDER)
    runs = read()
    for symptom in SYMPTOMS:
        path = FOLDER / f"{symptom.page}.md"
        path.write_text(with_table(path.read_text(encoding="utf-8"), table(symptom, runs)), encoding="utf-8")


if __name__ == "__main__":
    main()
