"""The code and the commands of docs/how-to/diagnose-a-checkpoint.md, run as the page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.tree import ROOT

PAGE = (ROOT / "docs" / "how-to" / "diagnose-a-checkpoint.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)
EXIT = re.compile(r"# exits with (\d)")

pytestmark = pytest.mark.slow


def run(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A line of the page in a shell, with this environment's `python` and `spikecheck`."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    content = {"PATH": path, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "COLUMNS": "120", "HOME": str(folder)}
    return subprocess.run(
        ["bash", "-c", line], cwd=folder, env=content, capture_output=True, text=True, timeout=120, check=False
    )


def commands() -> Iterator[tuple[str, int, str]]:
    """Each command of spikecheck and of python on the page, its exit code, and the output that is shown of it."""
    findings = BLOCK.findall(PAGE)
    for (kind, _, code), (following, _, shown) in zip(findings, [*findings[1:], ("", "", "")], strict=True):
        lines = [line for line in code.splitlines() if kind == "sh" and not line.startswith("pip ")]
        for line in lines:
            expected = EXIT.search(line)
            last = line == lines[-1] and following == "text"
            yield line, int(expected[1]) if expected else 0, shown if last else ""


def shows(output: str, shown: str) -> bool:
    """Does the output hold what the page shows? `...` stands for anything, and lines may break anywhere."""
    parts = [re.escape(" ".join(part.split())) for part in shown.split("...")]
    return re.search(".*?".join(parts), " ".join(output.split())) is not None


@pytest.mark.full
def test_every_command_does_what_the_page_says(tmp_path: Path) -> None:
    for kind, name, code in BLOCK.findall(PAGE):
        if kind == "python" and name:
            (tmp_path / name.strip()).write_text(code, encoding="utf-8")
        if kind == "toml":
            (tmp_path / "pyproject.toml").write_text(code, encoding="utf-8")
    for line, expected, shown in sorted(commands(), key=lambda command: not command[0].startswith("python ")):
        message = run(line, tmp_path)
        assert message.returncode == expected, f"{line}\n{message.stdout}{message.stderr}"
        assert shows(message.stdout, shown), f"{line}\n{message.stdout}"
    assert {path.name for path in tmp_path.glob("findings.*")} == {"findings.sarif", "findings.xml", "findings.json"}


def test_the_page_names_every_option() -> None:
    from spikecheck.cli.diagnose import command

    options = {option for parameter in command.params for option in parameter.opts if option.startswith("--")}
    assert options <= set(re.findall(r"--[a-z-]+", PAGE))
