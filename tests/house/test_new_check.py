"""`make check-new` writes files that run, and the guide's example is a check that works: both are used here."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from spikecheck.checks.base import Check
from spikecheck.checks.discovery import own_checks
from tests.house import test_checks
from tests.house.tree import ROOT

GUIDE = (ROOT / "docs/contributing/add-a-check.md").read_text(encoding="utf-8")
# Makes a folder of checks part of the installed package, and runs one test file.
RUN = """
import sys
import pytest
import spikecheck.checks
spikecheck.checks.__path__.append(sys.argv[1])
sys.exit(pytest.main([sys.argv[2], "-q", "-p", "no:cacheprovider", "--rootdir", sys.argv[3]]))
"""


def load(path: Path):
    """Import a file from anywhere."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, path.stem, module)  # dataclasses look there for the meaning of an annotation
        spec.loader.exec_module(module)
    return module


new_check = load(ROOT / "tools/new_check.py").new_check


def run_test(check_file: Path, test_file: Path) -> str:
    """Run a check's test in a fresh process, in which the check is part of the package, and return the summary."""
    words = [sys.executable, "-c", RUN, str(check_file.parent), str(test_file), str(ROOT)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False)
    return ran.stdout + ran.stderr


def block(kind: str) -> str:
    """Return the guide's fenced block of a kind; the fences within it are indented."""
    match = re.search(rf"^```python {kind}\n(.*?)^```$", GUIDE, flags=re.MULTILINE | re.DOTALL)
    assert match is not None
    return match[1]


def test_the_new_check_fires_and_its_test_passes(tmp_path: Path) -> None:
    check_file, test_file = new_check("SPK299", "dead-time", tmp_path)
    assert check_file == tmp_path / "spikecheck/checks/spk299_dead_time.py"
    assert test_file == tmp_path / "tests/unit/checks/test_spk299_dead_time.py"
    assert "4 passed" in run_test(check_file, test_file)


def test_the_gaps_of_a_new_check_are_marked_and_its_parts_complete(tmp_path: Path) -> None:
    check_file, _ = new_check("SPK299", "dead-time", tmp_path)
    check = load(check_file).DeadTime
    assert (check.id, check.slug) == ("SPK299", "dead-time")
    assert all("TODO" in text for text in check.sections().values())
    with pytest.raises(AssertionError):
        test_checks.test_no_placeholder_is_left_in_the_text(check)
    accepted_but_for_the_gaps(check)


def accepted_but_for_the_gaps(check: type[Check]) -> None:
    test_checks.test_the_docstring_has_its_sections_in_order(check)
    test_checks.test_the_example_is_broken_and_then_repaired(check)
    test_checks.test_fixes_compile_and_name_a_known_library(check)
    test_checks.test_every_limit_gives_its_reason(check)
    assert not list(check().conflicts())


def test_the_command_of_the_guide_and_the_makefile_is_accepted(tmp_path: Path) -> None:
    for name in ("spikecheck/checks", "docs/checks"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    texts = [GUIDE, *((ROOT / name).read_text(encoding="utf-8") for name in ("Makefile", "tools/new_check.py"))]
    commands = {match for text in texts for match in re.findall(r"check-new ID=(\w+) SLUG=([\w-]+)", text)}
    assert len(commands) == 1
    for id_, slug in commands:
        new_check(id_, slug, tmp_path)


def test_the_finished_check_of_the_guide_works(tmp_path: Path) -> None:
    check_file, test_file = new_check("SPK299", "dead-time", tmp_path)
    check_file.write_text(block("check"), encoding="utf-8")
    test_file.write_text(block("test"), encoding="utf-8")
    assert "4 passed" in run_test(check_file, test_file)
    check = load(check_file).DeadTime
    accepted_but_for_the_gaps(check)
    test_checks.test_no_placeholder_is_left_in_the_text(check)
    test_checks.test_the_slug_names_the_fault_not_the_cure(check)
    assert set(check.explained_by) <= set(own_checks())


@pytest.mark.parametrize(
    ("id_", "slug", "complaint"),
    [
        ("SPK12", "dead-time", "no id"),
        ("spk212", "dead-time", "no id"),
        ("SPK299", "Dead Time", "no slug"),
        ("SPK304", "dead-time", "never assigned"),
    ],
)
def test_wrong_names_are_refused(tmp_path: Path, id_: str, slug: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        new_check(id_, slug, tmp_path)
    assert not list(tmp_path.rglob("*.py"))


def test_an_id_is_not_given_twice(tmp_path: Path) -> None:
    new_check("SPK299", "dead-time", tmp_path)
    with pytest.raises(ValueError, match="taken by spk299_dead_time"):
        new_check("SPK299", "other-name", tmp_path)


def test_the_id_of_a_removed_check_stays_taken(tmp_path: Path) -> None:
    (tmp_path / "docs/checks").mkdir(parents=True)
    (tmp_path / "docs/checks/SPK299.md").write_text("Removed in 0.4.", encoding="utf-8")
    with pytest.raises(ValueError, match="taken"):
        new_check("SPK299", "dead-time", tmp_path)
