"""Sizes, names, exports, and words that may stand in one place only."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import spikecheck
from tests.house.tree import LIBRARIES, PACKAGE, ROOT, imports, short, sources, strings, tree

MOST_LINES = 400
DRAWERS = {"utils", "util", "common", "helpers", "helper", "misc", "core", "manager"}
LEAVES_THE_DEVICE = {"item", "tolist", "cpu", "numpy"}
WITH_TENSORS = ("spikecheck/probe", "spikecheck/stats")


def test_no_file_is_longer_than_a_sitting() -> None:
    lengths = {short(p): len(p.read_text(encoding="utf-8").splitlines()) for p in everything()}
    long = {name: lines for name, lines in lengths.items() if lines > MOST_LINES}
    assert not long, f"over {MOST_LINES} lines, so two subjects in one file: {long}"


def test_no_module_is_a_drawer() -> None:
    drawers = [short(path) for path in everything() if path.stem in DRAWERS or path.parent.name in DRAWERS]
    assert not drawers, f"say what is inside: {drawers}"


def test_public_names_are_sorted_and_load() -> None:
    names = list(spikecheck.__all__)
    assert names == sorted(names)
    for name in names:
        assert getattr(spikecheck, name).__name__ == name
    assert set(names) <= set(dir(spikecheck))


def test_public_names_are_typed_as_they_are_loaded() -> None:
    """Type checkers read the imports under TYPE_CHECKING, the interpreter reads the table of homes: they must agree."""
    typed = {
        alias.name: node.module
        for node in ast.walk(tree(PACKAGE / "__init__.py"))
        if isinstance(node, ast.ImportFrom) and node.level == 1
        for alias in node.names
    }
    assert typed == spikecheck._HOMES
    assert sorted(typed) == list(spikecheck.__all__)


def test_values_leave_the_device_in_summarise_alone() -> None:
    strays = []
    for path in sources(*WITH_TENSORS):
        functions = [node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef)]
        allowed = {call for function in functions if function.name == "summarize" for call in host_copies(function)}
        strays += [
            f"{short(path)}:{call.lineno} {ast.unparse(call)} waits for the device: leave it to summarize"
            for call in host_copies(tree(path))
            if call not in allowed
        ]
    assert not strays, "\n".join(strays)


def host_copies(node: ast.AST) -> list[ast.Call]:
    """The calls below a node that copy a tensor's values to the host."""
    calls = [call for call in ast.walk(node) if isinstance(call, ast.Call)]
    return [call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr in LEAVES_THE_DEVICE]


def test_a_library_is_named_in_its_own_file_alone() -> None:
    word = re.compile(r"\b(" + "|".join(sorted(LIBRARIES)) + r")\b")
    strays = []
    for path in sources("spikecheck"):
        room = path.relative_to(PACKAGE).parts[0]
        if room in {"cli", "reference", "faults", "integrations"} or path.stem in LIBRARIES:
            continue
        named = [*imports(path), *strings(path)]
        strays += [f"{short(path)}:{line} names {match[1]}" for line, text in named if (match := word.search(text))]
    assert not strays, "a library's name belongs to probe/frameworks/<library>.py:\n" + "\n".join(strays)


# Where our own errors are caught. Each hands the error on to the border, or to the report of the file.
BORDER = {
    "spikecheck/border.py": 2,  # what torch calls, and what the user calls
    "spikecheck/api.py": 1,  # attach(), before there is a monitor
    "spikecheck/probe/gradients.py": 1,  # torch calls it in a backward pass
    "spikecheck/probe/hook.py": 1,  # whether a call is wanted
    "spikecheck/probe/layer_hooks.py": 1,  # what is noted without a guard
    "spikecheck/probe/loss.py": 1,  # in the place of a function of torch
    "spikecheck/probe/watchers.py": 2,  # in the place of a function of torch, and tap()
    "spikecheck/script_run/discovery.py": 1,  # in the place of a function of torch; the command tells the user
    "spikecheck/script_run/runner.py": 1,  # the script's own error, which is printed as Python does
    "spikecheck/sinks/sink_set.py": 1,  # a sink, which may be anybody's; the monitor warns
    "spikecheck/stats/engine.py": 1,  # one statistic of a report
    "spikecheck/checks/judge.py": 1,  # one check of a report
    "spikecheck/examination/watch.py": 2,  # the user's loop, and the user's evaluation: the report names the error
    "spikecheck/examination/experiments/repeated_batch.py": 2,  # the user's model or step, on a batch it has seen
    "spikecheck/examination/isolation.py": 2,  # a trial of the user's code; the wait for a child that must be ended
    "spikecheck/checkpoint/diagnose.py": 1,  # a file becomes unreadable, with the place of the error
}


def test_only_the_border_catches_everything() -> None:
    """A broad `except` anywhere else could turn a crash into a healthy-looking report."""
    broad = [
        f"{short(path)}:{node.lineno}"
        for path in sources("spikecheck")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ExceptHandler) and catches_all(node.type)
    ]
    assert Counter(place.partition(":")[0] for place in broad) == BORDER


def test_only_the_settings_read_the_environment() -> None:
    """What a run depends on can be looked up in one place."""
    readers = {
        short(path)
        for path in sources("spikecheck")
        for node in ast.walk(tree(path))
        if (isinstance(node, ast.Attribute) and node.attr in {"environ", "environb", "getenv"})
        or (isinstance(node, ast.alias) and node.name in {"environ", "environb", "getenv"})
    }
    assert readers == {"spikecheck/settings.py"}


def catches_all(kind: ast.expr | None) -> bool:
    return kind is None or (isinstance(kind, ast.Name) and kind.id in {"Exception", "BaseException"})


def test_no_line_of_the_makefile_hides_a_program() -> None:
    """A target of more than three lines wants to be a file with a name and a test."""
    recipes = re.split(r"^(?=\S)", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    long = [recipe.splitlines()[0] for recipe in recipes if recipe.count("\n\t") > 3]
    assert not long, long


def everything() -> list[Path]:
    return sources("spikecheck", "tests", "docs", "benchmarks", "tools")
