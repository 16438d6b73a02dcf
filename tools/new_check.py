"""Write the two files of a new check: `make check-new ID=SPK299 SLUG=dead-time`.

Both run as they are: the check fires on an example rule and its test passes. What is left to think about is marked
TODO, and `make quick` fails until it is done; docs/contributing/add-a-check.md goes through it.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from string import Template

from spikecheck.checks.discovery import RETIRED

ROOT = Path(__file__).resolve().parents[1]

CHECK = Template('''"""TODO one line: what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import SpikeReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class $class_name(Check):
    """TODO one sentence that lists and tables show.

    ## What it means
    TODO two sentences that a student understands.

    ## Example
    ```python broken
    lif1 = snn.Leaky(beta=0.9)  # TODO 2 to 8 lines that have the fault
    spikes, mem = lif1(current, mem)
    ```
    ```python repaired
    lif1 = snn.Leaky(beta=0.9)  # TODO the same lines without it
    spikes, mem = lif1(current, mem)
    ```

    ## Fix
    ```python handwritten
    layer.threshold = 0.5  # TODO code that can be pasted; one block per library where they differ
    ```

    ## When it is intended
    TODO when this is intended.
    ```toml
    [tool.spikecheck.ignore]
    "$id:lif1" = "TODO the reason"
    ```

    ## How it is decided
    TODO the rule, with its limits ({min_time_steps} stands for the default), its error probability, what was measured.
    """

    id: ClassVar = "$id"
    slug: ClassVar = "$slug"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "TODO"
    sites: ClassVar = SiteKind.SPIKES
    needs: ClassVar = (SpikeReading,)
    explained_by: ClassVar = ()
    message: ClassVar = "{site} TODO in {time_steps} time steps"

    min_time_steps: int = limit(50, why="judgment call: TODO, or derived, measured, published", minimum=1)

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where TODO."""
        spikes = readings[SpikeReading]
        if spikes.time_steps >= self.min_time_steps and spikes.count == 0:
            yield self.finding(
                site,
                observed=Observed(
                    "TODO {count} spikes in {time_steps} time steps", count=spikes.count, time_steps=spikes.time_steps
                ),
                expected=Expected("TODO", because="TODO one clause"),
            )
''')

TEST = Template('''"""$id $slug: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.$module import $class_name
from tests.unit.checks.build import observe, severity_of, spikes

LIMIT = $class_name.limits()["min_time_steps"][0]


@pytest.mark.parametrize(
    ("layer", "severity"),
    [
        pytest.param(spikes(count=0.0, time_steps=10 * LIMIT), "warning", id="TODO the fault"),
        pytest.param(spikes(count=0.0, time_steps=LIMIT), "warning", id="exactly at the limit"),
        pytest.param(spikes(count=0.0, time_steps=LIMIT - 1), None, id="just below the limit"),
        pytest.param(spikes(), None, id="TODO the healthy layer that looks most like it"),
    ],
)
def test_judge(layer, severity) -> None:
    assert severity_of($class_name(), observe({"lif1": [layer]}), "lif1") == severity
''')


def new_check(id_: str, slug: str, root: Path) -> list[Path]:
    """Write the check and its test below root, and return their paths.

    Raises:
        ValueError: the id or the name cannot be used; the message says why.
    """
    if not re.fullmatch(r"SPK[1-5]\d\d", id_):
        raise ValueError(f"{id_!r} is no id: SPK and three digits, the first of them the family (1 to 5)")
    if id_ in RETIRED:
        raise ValueError(f"{id_} {RETIRED[id_]}; ids are never used again")
    if not re.fullmatch(r"[a-z]+(-[a-z]+)*", slug):
        raise ValueError(f"{slug!r} is no slug: lower-case words joined by '-' that name the fault, like dead-time")
    folder = root / "spikecheck/checks"
    if taken := [*folder.glob(f"{id_.lower()}_*.py"), *(root / "docs/checks").glob(f"{id_}.md")]:
        raise ValueError(f"{id_} is taken by {taken[0].name}; ids are never used again")
    module = f"{id_.lower()}_{slug.replace('-', '_')}"
    class_name = "".join(word.capitalize() for word in slug.split("-"))
    written = []
    for path, template in (
        (folder / f"{module}.py", CHECK),
        (root / "tests/unit/checks" / f"test_{module}.py", TEST),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(template.substitute(id=id_, slug=slug, module=module, class_name=class_name), encoding="utf-8")
        written.append(path)
    return written


def main() -> int:
    """Write the files that the command line asks for, and print their paths."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("id", metavar="ID", help="SPK299")
    parser.add_argument("slug", metavar="SLUG", help="dead-time")
    arguments = parser.parse_args()
    try:
        written = new_check(arguments.id, arguments.slug, ROOT)
    except ValueError as error:
        parser.error(str(error))
    sys.stdout.writelines(f"{path.relative_to(ROOT)}\n" for path in written)
    return 0


if __name__ == "__main__":
    sys.exit(main())
