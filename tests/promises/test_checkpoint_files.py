"""`diagnose` executes nothing that a checkpoint carries, reads what can be read, and says why where nothing can.

Every file is diagnosed in a process of its own, with 400 MB of memory beyond what torch takes, and ten seconds of the
processor.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.house.tree import ROOT
from tests.promises.checkpoint_attacks import CALLS, in_zip, text
from tests.promises.checkpoint_files import Case, corpus

pytestmark = pytest.mark.slow
pytest.importorskip("safetensors", reason="make setup")
if not Path("/proc/self/statm").exists():
    pytest.skip("needs /proc, to limit memory: run it on Linux", allow_module_level=True)


def ask(jobs: list[dict]) -> dict[str, dict]:
    run = subprocess.run(
        [sys.executable, "-m", "tests.promises.checkpoint_server"],
        input=json.dumps(jobs),
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert run.returncode == 0, run.stderr
    return {answers["name"]: answers for answers in map(json.loads, run.stdout.splitlines())}


@pytest.fixture(scope="module")
def diagnosed(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Case], dict[str, dict], Path]:
    cases, canary = corpus(tmp_path_factory.mktemp("corpus"))
    return cases, ask([{"name": case.name, "path": str(case.path)} for case in cases]), canary


def test_there_are_many_and_each_has_its_name(diagnosed) -> None:
    cases, answers, _ = diagnosed
    assert len(cases) >= 150
    assert len(answers) == len(cases)


def test_nothing_that_a_file_carries_is_run(diagnosed) -> None:
    _, _, canary = diagnosed
    assert not canary.exists()


def test_none_ends_in_a_fault_of_ours(diagnosed) -> None:
    _, answers, _ = diagnosed
    assert {name: one["fault"] for name, one in answers.items() if "fault" in one} == {}


def test_what_is_to_be_refused_is_and_the_rest_is_read(diagnosed) -> None:
    cases, answers, _ = diagnosed
    wrong = {
        c.name: answers[c.name].get("refused", "read") for c in cases if c.refused != ("refused" in answers[c.name])
    }
    assert wrong == {}


def test_every_refusal_says_why_in_one_line(diagnosed) -> None:
    cases, answers, _ = diagnosed
    reasons = {case.name: answers[case.name]["refused"] for case in cases if case.refused}
    words = {case.name: case.words for case in cases}
    assert not {name: reason for name, reason in reasons.items() if not all(word in reason for word in words[name])}
    assert not {name: reason for name, reason in reasons.items() if not reason.isprintable() or len(reason) >= 400}


def test_a_name_that_was_not_loaded_is_listed_beside_the_tensors(diagnosed) -> None:
    cases, answers, _ = diagnosed
    for case in cases:
        if not case.refused:
            shown = (
                answers[case.name]["text"].replace("\n", " ")
                + answers[case.name]["headline"]
                + str(answers[case.name]["unseen"])
            )
            assert all(word in shown for word in case.words), f"{case.name}: {shown}"


def test_what_is_unwell_is_found_and_healthy_files_are_left_alone(diagnosed) -> None:
    cases, answers, _ = diagnosed
    for case in cases:
        findings = answers[case.name].get("findings", [])
        expected = list(case.finds)
        assert [f for f in findings if f.startswith("SPK501")] == expected, case.name


def test_no_control_character_reaches_the_terminal(diagnosed) -> None:
    _, answers, _ = diagnosed
    for name, one in answers.items():
        text_ = one.get("text", "").replace("\n", "")
        assert not any(ord(c) < 32 or ord(c) in (0x7F, 0x202E) for c in text_), name


def test_unsafe_pickle_is_what_runs_it_and_nothing_else_does(tmp_path: Path) -> None:
    """The canary is alive: with the option, and only with it, it appears."""
    canary, path = tmp_path / "canary", tmp_path / "attack.pt"
    in_zip(path, b"cposix\nsystem\n(" + text(f"touch {canary}") + b"tR")
    assert "posix.system" in ask([{"name": "safe", "path": str(path)}])["safe"]["refused"]
    assert not canary.exists()
    answers = ask([{"name": "unsafe", "path": str(path), "unsafe": True}])["unsafe"]
    assert canary.exists()
    assert "2 tensors" in answers["headline"]
    assert "executed the code in it" in answers["headline"]


def test_a_file_larger_than_the_memory_is_read(tmp_path: Path) -> None:
    """600 MB, of which the disk holds none: a file of zeros behind a header."""
    rows, columns, path = 3000, 50_000, tmp_path / "large.safetensors"
    header = json.dumps(
        {"fc.weight": {"dtype": "F32", "shape": [rows, columns], "data_offsets": [0, 4 * rows * columns]}}
    )
    path.write_bytes(len(header).to_bytes(8, "little") + header.encode())
    with path.open("r+b") as file:
        file.truncate(8 + len(header) + 4 * rows * columns)
    answers = ask([{"name": "large", "path": str(path)}])["large"]
    assert "fault" not in answers
    assert "SPK506 fc.weight" in answers["findings"]


def test_a_refused_file_is_never_loaded_by_torch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from spikecheck.checkpoint import diagnose_file
    from spikecheck.errors import UnreadableError

    monkeypatch.setattr(torch, "load", lambda *args, **kwargs: pytest.fail("torch.load was called"))
    path = tmp_path / "attack.pt"
    in_zip(path, b"cposix\nsystem\n(" + text("true") + b"tR")
    with pytest.raises(UnreadableError, match=r"posix\.system"):
        diagnose_file(path)
    assert len(CALLS) >= 20
