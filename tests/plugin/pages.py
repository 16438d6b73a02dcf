"""The code blocks of the pages: where they are, and which test runs them or why none does."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.house.tree import ROOT

BLOCK = re.compile(r"^( *)```(\w*)[ ]?([^\n]*)\n(.*?)^\1```[ ]*$", flags=re.MULTILINE | re.DOTALL)
RUN_HERE = "tests/plugin/test_code_blocks.py"
CHECK = re.compile(r"docs/checks/SPK\d+\.md")

#: What runs the blocks of a page; other pages are run by `RUN_HERE`.
OWN_TESTS = {
    "docs/contributing/add-a-check.md": "tests/house/test_new_check.py",
    "docs/how-to/diagnose-a-checkpoint.md": "tests/plugin/test_diagnose_page.py",
    "docs/how-to/test-your-snn.md": "tests/plugin/test_docs_page.py",
    "docs/how-to/train-with-a-library.md": "tests/integrations/test_page.py",
    "docs/json.md": "tests/views/test_json_schema.py",
}
#: What runs the code of the check pages: the examples and the fixes.
OF_CHECKS = (
    "tests/faults/test_input_and_neuron_examples.py",
    "tests/faults/test_loss_and_gradient_examples.py",
    "tests/faults/test_checkpoint_examples.py",
    "tests/faults/test_code_of_pages.py",
)
#: The languages that nothing runs.
NO_CODE = {
    "text": "what a program prints, or a drawing",
    "mermaid": "a drawing; tests/house/test_docs.py compares it with the checks",
    "yaml": "a file for a service; tests/unit/cli/test_ci_files.py compares it with the action and the hooks",
    "toml": "a setting, which `RUN_HERE` reads; or a package's file: tests/plugin/test_other_packages.py",
}
#: How the commands begin that no test runs as they are.
NOT_RUN = {
    "pip install": "installs packages; tests/plugin/test_package.py installs the wheel",
    "export PIP_EXTRA_INDEX_URL": "installs packages",
    "python -m venv": "installs packages",
    "python -m benchmarks.hostile_files": "needs the scanners that the line above installs",
    "make ": "builds an environment; tests/house/test_docs.py knows the targets",
    "spikecheck train": "minutes; tests/reference/test_train_command.py runs it with fewer epochs",
    "spikecheck data make": "minutes; tests/reference/test_data_generator.py makes a few words",
}
#: Python that no test runs, by a part of its text.
SKETCHES = {
    "class SumState(State)": "a form to fill in: it names no quantity",
    "DistributedDataParallel(net)": "needs a group of processes; tests/promises/test_ranks.py has several",
    "from ray import tune": "needs Ray; `make ray` runs it",
}


@dataclass(frozen=True)
class Block:
    """A fenced block: `name` is what follows the language on its first line."""

    page: str
    language: str
    name: str
    code: str


@cache
def blocks() -> tuple[Block, ...]:
    """Return every block of every page, in order."""
    folders = ("docs", "examples", "benchmarks", "tests")
    pages = sorted([*ROOT.glob("*.md"), *(page for folder in folders for page in (ROOT / folder).rglob("*.md"))])
    return tuple(
        Block(page.relative_to(ROOT).as_posix(), language, name.strip(), textwrap.dedent(code))
        for page in pages
        for _, language, name, code in BLOCK.findall(page.read_text(encoding="utf-8"))
    )


def pages_to_run() -> list[str]:
    """Return the pages with Python or commands that `RUN_HERE` runs."""
    return sorted(
        {
            block.page
            for block in blocks()
            if block.language in ("python", "sh")
            and block.page not in OWN_TESTS
            and not block.page.startswith("docs/symptoms/")
            and not CHECK.match(block.page)
        }
    )


def reason_not_to_run(language: str, text: str) -> str:
    """Return why a block of Python, or a line of shell, is not run; "" if it is."""
    if language == "sh":
        return next((reason for start, reason in NOT_RUN.items() if text.startswith(start)), "")
    return next((reason for part, reason in SKETCHES.items() if part in text), "")


def lines_of(block: Block) -> list[str]:
    """Return the commands of a block of shell."""
    return [line.strip() for line in block.code.splitlines() if line.strip() and not line.startswith("#")]


def exists(path: str) -> bool:
    """Return whether a test file is there."""
    return Path(ROOT, path).is_file()
