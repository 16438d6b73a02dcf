# ruff: noqa: E501 - lines of a page
"""Write docs/integrations.md: every integration, loop and launcher, tried with a healthy network and with a silent one.

`python -m tests.integrations.table` needs the libraries that `make integrations` installs; one that is missing keeps the
row that the page has.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import logging
import os
import re
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import spikecheck
from spikecheck.report.model import Report
from tests.integrations.networks import UPDATES, Net, loader, loss_of, seeded_net

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "integrations.md"
EPOCHS, SILENT = 10, 100.0  # the threshold at which no neuron fires
HEAD = """\
# Integrations, loops and launchers, tried

Each way to train a network was tried twice: with a healthy network, and with one whose threshold no neuron reaches. "Seen" is what spikecheck
observed of the healthy one: updates of those that were made, layers, loss, optimizer. False alarms are warnings and errors on the healthy
one, found is the first root cause on the silent one. Cost is what the report itself measured on the healthy one, on this network of 24
neurons, whose steps take a millisecond: [what watching costs](performance.md) has networks of real sizes.
`python -m tests.integrations.table` tries all of it again and writes this page.

| how it is trained | version | seen | false alarms | found | cost |
|---|---|---|---|---|---|
"""


@dataclass(frozen=True)
class Way:
    """One way to train: the package that it needs, and what trains and returns the report."""

    name: str
    package: str
    train: Callable[[float, Path], Any]
    updates: int = EPOCHS * UPDATES


def plain_loop(threshold: float, folder: Path, **options: Any) -> Report:
    net = seeded_net(threshold)
    optimizer = torch.optim.Adam(net.parameters(), 5e-3)
    with spikecheck.attach(net, **options) as monitor:
        for _ in range(EPOCHS):
            for batch in loader():
                optimizer.zero_grad()
                loss_of(net, batch).backward()
                optimizer.step()
    return monitor.report()


SCRIPT = """
import sys
import torch
from tests.integrations.networks import loader, loss_of, seeded_net
net = seeded_net(float(sys.argv[1]))
if "WORLD_SIZE" in __import__("os").environ:
    torch.distributed.init_process_group("gloo")
    net = torch.nn.parallel.DistributedDataParallel(net)
optimizer = torch.optim.Adam(net.parameters(), 5e-3)
for _ in range(int(sys.argv[2])):
    for batch in loader():
        optimizer.zero_grad()
        loss_of(net, batch).backward()
        optimizer.step()
"""


def spikecheck_run(threshold: float, folder: Path, launcher: tuple[str, ...] = ()) -> dict[str, Any]:
    """Run a script under the command, and return the report as JSON has it."""
    import json

    (folder / "train.py").write_text(SCRIPT, encoding="utf-8")
    command = [sys.executable, *launcher, "-m", "spikecheck", "run", "--json", "out.json", "train.py"]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    subprocess.run([*command, str(threshold), str(EPOCHS)], cwd=folder, env=env, check=True, capture_output=True)
    report: dict[str, Any] = json.loads((folder / "out.json").read_text(encoding="utf-8"))["files"][0]["report"]
    return report


def torchrun(threshold: float, folder: Path) -> dict[str, Any]:
    return spikecheck_run(threshold, folder, ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"))


def lightning(threshold: float, folder: Path) -> Report:
    module = importlib.import_module("tests.integrations.test_lightning")
    callback = module.SpikecheckCallback("report.txt")
    module.fit(module.Classifier(threshold), callback, folder, max_epochs=EPOCHS)
    return module.report_of(callback)


def huggingface(threshold: float, folder: Path) -> Report:
    module = importlib.import_module("tests.integrations.test_huggingface")
    callback = module.SpikecheckCallback("report.txt")
    module.train(module.Classifier(threshold), callback, folder)
    return module.report_of(callback)


def accelerate(threshold: float, folder: Path) -> Report:
    module = importlib.import_module("accelerate")
    accelerator, net = module.Accelerator(cpu=True), seeded_net(threshold)
    model, optimizer, batches = accelerator.prepare(net, torch.optim.Adam(net.parameters(), 5e-3), loader())
    with spikecheck.attach(accelerator.unwrap_model(model)) as monitor:
        for _ in range(EPOCHS):
            for batch in batches:
                accelerator.backward(loss_of(model, batch))
                optimizer.step()
                optimizer.zero_grad()
    return monitor.report()


def ignite(threshold: float, folder: Path) -> Report:
    module = importlib.import_module("tests.integrations.test_ignite")
    net: Net = seeded_net(threshold)
    handler, trainer = module.SpikecheckHandler(net, report=str(folder / "report.txt")), module.trainer_of(net)
    handler.attach(trainer)
    trainer.run(loader(), max_epochs=EPOCHS)
    return module.report_of(handler)


def skorch(threshold: float, folder: Path) -> Report:
    module = importlib.import_module("tests.integrations.test_skorch")
    callback = module.SpikecheckCallback(report=str(folder / "report.txt"))
    return module.report_of(module.fit(module.classifier(callback, threshold)))


WAYS = (
    Way("a plain loop, `attach`", "torch", plain_loop),
    Way("a plain loop, `attach(log=...)`", "torch", lambda t, f: plain_loop(t, f, log=str(f / "run.jsonl"))),
    Way("`spikecheck run train.py`", "torch", spikecheck_run),
    Way("`torchrun -m spikecheck run`, DDP, 2 ranks", "torch", torchrun),
    Way("Lightning, `SpikecheckCallback`", "lightning", lightning),
    Way("Hugging Face Trainer, `SpikecheckCallback`", "transformers", huggingface, 8 * UPDATES),
    Way("Accelerate, `attach`", "accelerate", accelerate),
    Way("PyTorch-Ignite, `SpikecheckHandler`", "ignite", ignite),
    Way("skorch, `SpikecheckCallback`", "skorch", skorch, EPOCHS * 7),  # it holds a fifth of the data out
)


def row(way: Way) -> str:
    """Try one way, and return its row."""
    version = importlib.import_module(way.package).__version__.partition("+")[0]
    healthy, silent = (tried(way, threshold) for threshold in (1.0, SILENT))
    problems = [cause for cause in healthy["root_causes"] if cause["severity"] != "note"]
    first = silent["root_causes"][0]["check"] if silent["root_causes"] else "nothing"
    observed = f"{healthy['updates']} of {way.updates} updates, {len(healthy['layers'])} of 1 layers, "
    observed += ", ".join(
        name for name, known in (("loss", healthy["losses"]), ("optimizer", healthy["optimizers"])) if known
    )
    cost = "-" if healthy["cost"] is None else f"{healthy['cost']:.0%}"
    return f"| {way.name} | {version} | {observed} | {len(problems)} | {first} | {cost} |"


def tried(way: Way, threshold: float) -> dict[str, Any]:
    """Train once, without a word, and return the report as JSON has it."""
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        report: Any = way.train(threshold, Path(folder))
    return report.to_dict() if isinstance(report, Report) else report


def main() -> None:
    """Try every way whose library is installed, and write the page."""
    text = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    before = {name: line for line, name in re.findall(r"^(\| (.+?) \|.*)$", text, flags=re.MULTILINE)}
    rows = []
    for way in WAYS:
        if importlib.util.find_spec(way.package) is not None:
            rows.append(row(way))
        elif way.name in before:
            rows.append(before[way.name])
        sys.stderr.write(f"{rows[-1]}\n")
    PAGE.write_text(HEAD + "\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
