"""Test the wheel with another Python, outside the checkout: python tools/other_python.py PYTHON [pytest arguments]."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: What the tests read, without the package: it has to come from the wheel.
FOLDERS = ("tests", "benchmarks", "docs", "examples", "tools")
FILES = ("pyproject.toml", "constraints.txt", "Makefile", "CITATION.cff", "action.yml", ".pre-commit-hooks.yaml")
EXTRAS = "html,reference,pytest"
TESTS = ("tests/unit", "tests/views", "tests/promises/test_run_scripts.py", "tests/plugin/test_example.py")


def run(*words: str | Path, folder: Path = ROOT) -> None:
    """Show a command, run it, and end with its exit code if that is not 0."""
    sys.stdout.write(" ".join(["$", *map(str, words)]) + "\n")
    code = subprocess.run([str(word) for word in words], cwd=folder).returncode
    if code:
        sys.exit(code)


def main(python: str, *arguments: str) -> None:
    """Make an environment with this Python, install the wheel and the libraries, and run the tests."""
    name = Path(python).resolve().name
    environment, outside = ROOT / ".venv" / "other" / name, ROOT / ".venv" / "outside" / name
    run(python, "-m", "venv", "--clear", environment)
    own = environment / "bin" / "python"
    pip = (own, "-m", "pip", "install", "--quiet", "--constraint", "constraints.txt")
    run(*pip, "--upgrade", "pip>=25.1")
    shutil.rmtree(outside, ignore_errors=True)
    run(own, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", outside / "wheel", ROOT)
    (wheel,) = (outside / "wheel").glob("*.whl")
    run(*pip, f"{wheel}[{EXTRAS}]", "--group", "dev")
    run(*pip, "--no-deps", "--requirement", "tests/conformance/frameworks.txt")
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, outside / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in (*(ROOT / name for name in FILES), *ROOT.glob("*.md")):
        shutil.copy(file, outside)
    run(own, "-m", "pytest", "-p", "no:cacheprovider", *(arguments or ("-m", "not slow and not full")), *TESTS,
        folder=outside)  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
