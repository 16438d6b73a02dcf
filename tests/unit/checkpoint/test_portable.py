"""Diagnosing a file needs nothing that Windows or macOS lack: the same tests pass with those names removed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nir
import pytest

from spikecheck.checkpoint import graph
from tests.house.tree import ROOT
from tests.promises import checkpoint_graphs as graphs

WITHOUT = """
import os, pytest, signal, sys, torch
for module, names in (
    (os, ("O_NONBLOCK", "O_CLOEXEC", "preadv", "pread", "sched_getaffinity", "posix_fadvise", "fork", "mkfifo")),
    (signal, ("SIGXCPU", "SIGALRM", "SIGKILL", "setitimer")),
):
    for name in names:
        if hasattr(module, name):
            delattr(module, name)
sys.modules["resource"] = sys.modules["fcntl"] = None
"""


@pytest.mark.slow
def test_diagnose_works_without_what_windows_lacks(tmp_path: Path) -> None:
    tests = [
        "tests/unit/checkpoint/test_diagnose.py",
        "tests/unit/cli/test_diagnose.py::test_exit_codes",
        "tests/unit/checkpoint/test_nir.py::test_a_healthy_graph_is_left_alone",
    ]
    # With a folder of its own, pytest removes no older ones: Python's own rmtree uses O_NONBLOCK from 3.13 on.
    options = ["-q", "-x", "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'own'}"]
    program = f"{WITHOUT}\nsys.exit(pytest.main({[*options, *tests]}))"
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]


def test_the_process_for_nir_graphs_works_without_limits_of_the_system(tmp_path: Path) -> None:
    nir.write(tmp_path / "net.nir", graphs.graph())
    start = f"sys.argv = ['graph.py', '10']\nimport runpy; runpy.run_path({graph.__file__!r}, run_name='__main__')"
    with (tmp_path / "net.nir").open("rb") as file:
        run = subprocess.run([sys.executable, "-c", WITHOUT + start], stdin=file, capture_output=True)
    assert run.returncode == 0, run.stderr
    assert b"y.v_threshold" in run.stdout


class RefusingLimits:
    """The module `resource` of a system that refuses limits of memory, as macOS does."""

    RLIMIT_CPU, RLIMIT_AS, RLIM_INFINITY = 0, 1, -1

    def __init__(self) -> None:
        self.asked: list[int] = []

    def getrlimit(self, kind: int) -> tuple[int, int]:
        return -1, -1

    def setrlimit(self, kind: int, limits: tuple[int, int]) -> None:
        self.asked.append(kind)
        raise ValueError("current limit exceeds maximum limit")


def test_a_limit_that_the_system_refuses_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    refusing = RefusingLimits()
    monkeypatch.setattr(graph, "resource", refusing)
    graph.limit_resources(10)
    assert refusing.asked == [0, 1]
