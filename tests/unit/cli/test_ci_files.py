"""The GitHub Action and the pre-commit hooks call commands that exist, with options that these have."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from spikecheck.cli import commands
from tests.house.tree import ROOT

ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
HOOKS: list[dict[str, Any]] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
LEVEL = ["--fail-on", "warning"]
STEP = next(step for step in ACTION["runs"]["steps"] if step["name"] == "Run spikecheck")


def options_of(name: str) -> set[str]:
    command = commands.get_command(click.Context(commands), name)
    assert command is not None
    return {option for parameter in command.params for option in parameter.opts}


def run(folder: Path, **environment: str) -> tuple[int, list[str]]:
    """Run the step's script with a stand-in for spikecheck that prints its arguments."""
    stand_in = folder / "spikecheck"
    stand_in.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    stand_in.chmod(0o755)
    names = dict.fromkeys(STEP["env"], "")
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    made = subprocess.run(
        ["bash", "-e", "-c", STEP["run"]],
        env={**names, "PATH": path, "FAIL_ON": "warning", **environment},
        capture_output=True,
        text=True,
        cwd=folder,
    )
    return made.returncode, made.stdout.splitlines()


@pytest.mark.parametrize(
    ("environment", "arguments"),
    [
        ({"RUN": "train.py --epochs 1"}, ["run", *LEVEL, "train.py", "--epochs", "1"]),
        (
            {"CHECKPOINTS": "runs/*.pt last.pt", "BASELINE": "a b.json", "SARIF": "s.sarif"},
            [
                "diagnose",
                "--fail-on",
                "warning",
                "--baseline",
                "a b.json",
                "--sarif",
                "s.sarif",
                "runs/*.pt",
                "last.pt",
            ],
        ),
        (
            {"LOG": "run.jsonl", "SARIF": "s.sarif"},
            ["report", *LEVEL, "--sarif", "s.sarif", "run.jsonl"],
        ),
        ({"LOG": "$(touch injected)"}, ["report", *LEVEL, "$(touch injected)"]),
    ],
)
def test_the_action_calls_a_command_with_options_that_it_has(
    environment: dict[str, str], arguments: list[str], tmp_path: Path
) -> None:
    assert run(tmp_path, **environment) == (0, arguments)
    assert {one for one in arguments if one in ("--fail-on", "--baseline", "--sarif")} <= options_of(arguments[0])
    assert not (tmp_path / "injected").exists()


def test_the_action_without_an_input_fails_with_a_message(tmp_path: Path) -> None:
    code, lines = run(tmp_path)
    assert code == 2
    assert lines[0].startswith("::error::")


def test_every_input_is_used_and_none_is_written_into_a_script() -> None:
    text = (ROOT / "action.yml").read_text(encoding="utf-8")
    used = set(re.findall(r"inputs\.([\w-]+)", text))
    assert used == set(ACTION["inputs"])
    assert all("${{" not in step.get("run", "") for step in ACTION["runs"]["steps"]), "it would be executed"
    assert all("shell" in step for step in ACTION["runs"]["steps"] if "run" in step)


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: str(hook["id"]))
def test_a_hook_takes_the_files_that_diagnose_reads(hook: dict[str, Any]) -> None:
    program, command, *options = hook["entry"].split()
    assert program == "spikecheck"
    assert set(options) <= options_of(command)
    for name in ("a/net.pt", "net.pth", "last.ckpt", "model.safetensors", "graph.nir"):
        assert re.search(hook["files"], name)
    assert not re.search(hook["files"], "train.py")
