"""`make check-new` writes files that load, and that say TODO where their author has to think."""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path

import pytest

from tests.house.tree import ROOT


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


def test_the_new_check_loads_and_its_gaps_are_marked(tmp_path: Path) -> None:
    check_file, test_file = new_check("SPK299", "dead-time", tmp_path)
    assert check_file == tmp_path / "spikecheck/checks/spk299_dead_time.py"
    assert test_file == tmp_path / "tests/unit/checks/test_spk299_dead_time.py"
    check = load(check_file).DeadTime
    assert (check.id, check.slug) == ("SPK299", "dead-time")
    assert all("TODO" in text for text in check.sections().values())
    ast.parse(test_file.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("id_", "slug", "complaint"),
    [("SPK12", "dead-time", "no id"), ("spk212", "dead-time", "no id"), ("SPK212", "Dead Time", "no slug")],
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
