"""No file is healthy here and NaN in torch; small files stay cheap; odd ones are judged or refused in one line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.promises import pickles
from tests.promises.test_checkpoint_files import ask
from tests.property.fuzz import torch_has_nan

pytestmark = pytest.mark.slow
if not Path("/proc/self/statm").exists():
    pytest.skip("needs /proc, to limit memory: run it on Linux", allow_module_level=True)

Maker = Callable[[Path], Iterator[tuple[str, Path]]]


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, dict[str, Any]]]:
    result = {}
    for maker in (pickles.hidden, pickles.laborious, pickles.odd):
        cases = list(maker(tmp_path_factory.mktemp(maker.__name__)))
        outcomes = ask([{"name": name, "path": str(path)} for name, path in cases])
        result[maker.__name__] = {name: {**outcomes[name], "path": path} for name, path in cases}
    return result


def test_none_ends_in_a_fault_of_ours(answers) -> None:
    faults = {name: one["fault"] for group in answers.values() for name, one in group.items() if "fault" in one}
    assert faults == {}


def test_what_is_nan_in_torch_is_found_or_refused(answers) -> None:
    healthy = [
        name
        for name, one in answers["hidden"].items()
        if one["path"].suffix == ".pt"
        and not one.get("findings")
        and "refused" not in one
        and torch_has_nan(one["path"])
    ]
    assert healthy == []


def test_nan_is_hidden_from_torch_in_few_of_them(answers) -> None:
    """The files are worth trying: torch reads most of them, with the NaN."""
    assert sum(torch_has_nan(one["path"]) for one in answers["hidden"].values() if one["path"].suffix == ".pt") >= 18


def test_a_file_that_is_not_read_whole_says_so(answers) -> None:
    one = answers["laborious"]["more tensors than are read"]
    assert "were not checked: the file holds more than 10,000" in str(one["unseen"])
    assert "healthy" not in one["text"]


def test_names_are_safe_text(answers) -> None:
    for name, one in answers["odd"].items():
        shown = one.get("text", "") + one.get("refused", "")
        assert shown.replace("\n", "").isprintable(), name
        assert len(shown) < 4000, name
