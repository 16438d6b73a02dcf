"""What the shell completes: commands, options and files, once the line that docs/command-line.md gives was run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.tree import ROOT

PAGE = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
LINES = dict(re.findall(r"^\| (\w+)[^|]*\| `~[^`]+` \| `(.+)` \|$", PAGE, flags=re.MULTILINE))
PROGRAM = [sys.executable, "-m", "spikecheck"]


def environment(**more: str) -> dict[str, str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"])
    return {"PATH": path, "PYTHONPATH": str(ROOT), **more}


def completions(shell: str, words: str) -> str:
    """What the program tells a shell that asks how the last word could go on; fish gives the word, others its place."""
    *before, begun = words.split(" ")
    place = begun if shell == "fish" else str(len(before))
    content = environment(_SPIKECHECK_COMPLETE=f"{shell}_complete", COMP_WORDS=words, COMP_CWORD=place)
    return subprocess.run(PROGRAM, env=content, capture_output=True, text=True, timeout=60, check=True).stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_is_told_what_may_follow(shell: str) -> None:
    message = completions(shell, "spikecheck diagnose --m")
    assert set(re.findall(r"--[a-z-]+", message.replace("of --model is", ""))) == {"--model", "--model-args"}
    assert "diagnose" in completions(shell, "spikecheck dia")
    assert "file" in completions(shell, "spikecheck diagnose ru")
    assert "file" in completions(shell, "spikecheck diagnose a.pt --data ba")


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash: apt install bash")
def test_the_line_of_the_page_makes_bash_complete() -> None:
    script = f"""{LINES["bash"]}
    COMP_WORDS=(spikecheck diagnose --mo) COMP_CWORD=2
    _spikecheck_completion spikecheck
    printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    run = subprocess.run(["bash", "-c", script], env=environment(), capture_output=True, text=True, timeout=60)
    assert run.stdout.split() == ["--model", "--model-args"], run.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_page_gives_a_line_that_the_program_answers(shell: str) -> None:
    asked = re.search(r"_SPIKECHECK_COMPLETE=(\w+) spikecheck", LINES[shell])
    assert asked is not None
    content = environment(_SPIKECHECK_COMPLETE=asked[1])
    run = subprocess.run(PROGRAM, env=content, capture_output=True, text=True, timeout=60, check=True)
    assert f"_SPIKECHECK_COMPLETE={shell}_complete" in run.stdout
