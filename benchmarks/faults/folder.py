"""Load cases from a folder of modules with META and build(seed, fault), to run held-out cases."""

from __future__ import annotations

import importlib.util
import math
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from types import ModuleType
from typing import Any

from spikecheck.checkpoint.diagnose import diagnose_file

from .case import Case
from .causes import CHECKS
from .script import LAST_LOSSES, TEST_BATCHES, Training, right
from .verdict import SEED, Findings, Outcome, set_up, watched

TEST_SAMPLES = 64
NOWHERE = Training(math.nan, math.nan, math.nan)


def every(folder: Path) -> dict[str, Case]:
    """Return every module with META below a folder as a case."""
    cases = {}
    for path in sorted(folder.rglob("*.py")):
        if "META" in path.read_text(encoding="utf-8") and (module := loaded(path)) is not None:
            cases[path.stem] = case_of(module.META, module)
    return cases


def loaded(path: Path) -> ModuleType | None:
    """Import a module from a path; return None if it has no META."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module if hasattr(module, "META") and hasattr(module, "build") else None


def case_of(meta: Mapping[str, Any], module: ModuleType) -> Case:
    """Make a case from META: the cause, accepted causes, and whether the module trains or writes a checkpoint."""
    cause, accepted = meta.get("cause"), [name for name in meta.get("accept", ()) if name in CHECKS]
    if cause is not None and cause not in CHECKS:
        raise ValueError(f"{module.__file__}: the cause {cause!r} has no line in benchmarks/faults/causes.py")
    watch = stored if meta.get("kind") == "checkpoint" else trained
    return Case(
        name=module.__name__,
        library=meta.get("framework", ""),
        cause=cause,
        accepted=tuple(accepted),
        thread=meta.get("ref", ""),
        about=meta.get("note", ""),
        watch=lambda broken: watch(module, broken),
        has_twin=cause is not None,
    )


def trained(module: ModuleType, broken: bool) -> Outcome:
    """Train the result of `build` with its `train_step`, then test it with its `predict`."""
    set_up()
    parts: Mapping[str, Any] = module.build(seed=SEED, fault=broken)
    parts["model"].train()
    if (before := parts.get("before_train")) is not None:
        before()
    return watched(parts["model"], lambda: loop(parts))


def loop(parts: Mapping[str, Any]) -> Training:
    """Run the training loop of a module until it ends or raises."""
    losses: list[float] = []
    try:
        for x, y in parts["batches"]:
            losses.append(float(parts["train_step"](x, y)[0].detach()))
        score, raised = tested(parts), ""
    except Exception as error:  # noqa: BLE001 - a module from outside may raise anything, and that is its result
        score, raised = math.nan, f"{type(error).__name__}: {error}".partition("\n")[0]
    last = losses[-LAST_LOSSES:]
    return Training(losses[0] if losses else math.nan, fmean(last) if last else math.nan, score, raised)


def tested(parts: Mapping[str, Any]) -> float:
    """Return the accuracy on the module's test set or on test batches of its stream."""
    x, y = parts["test"] if "test" in parts else parts["batches"].test(TEST_BATCHES * TEST_SAMPLES)
    size = parts.get("eval_batch", TEST_SAMPLES)
    pairs = [(x[i : i + size], y[i : i + size]) for i in range(0, len(x) - size + 1, size)]
    outputs = [(parts["predict"](part), labels) for part, labels in pairs]
    return fmean(right(out[0] if isinstance(out, tuple) else out, labels) for out, labels in outputs)


def stored(module: ModuleType, broken: bool) -> Outcome:
    """Write the module's checkpoint and diagnose the file."""
    set_up()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint.pt"
        module.build(seed=SEED, fault=broken)["make"](path, seed=SEED, fault=broken)
        return Outcome(Findings.of(diagnose_file(path)), NOWHERE, 0.0)
