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
import json
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
# Integrations, loops and launchers, tested

Each way to train a network was tested twice: with a healthy network, and with one whose threshold no neuron reaches. "Seen" is what spikecheck
observed of the healthy one: updates of those that were made, layers, loss, optimizer. False alarms are warnings and errors on the healthy
one, found is the first root cause on the silent one. Cost is what the report itself measured on the healthy one, once, on this network of 24
neurons, whose steps take a millisecond: [what watching costs](performance.md) has networks of real sizes, measured with care. Of sharded
parameters (FSDP2), updates are counted, and gradients and sizes of updates are not measured. A dash is a run too short to measure its cost.
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
import os, sys
import torch
import spikecheck
from tests.integrations.networks import loader, loss_of, seeded_net

def train(rank, how, threshold, epochs):
    net = seeded_net(float(threshold))
    if "spawn" in how:
        os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(20000 + os.getppid() % 40000))
        torch.distributed.init_process_group("gloo", rank=rank, world_size=2)
    elif "WORLD_SIZE" in os.environ:
        torch.distributed.init_process_group("gloo")
    if "ddp" in how:
        net = torch.nn.parallel.DistributedDataParallel(net)
    if "fsdp" in how:
        from torch.distributed.fsdp import fully_shard
        fully_shard(net, mesh=torch.distributed.init_device_mesh("cpu", (2,)))
    if "attach" in how:
        monitor = spikecheck.attach(net, report="attached.json", on_finding=lambda finding: None)
    optimizer = torch.optim.Adam(net.parameters(), 5e-3)
    for _ in range(int(epochs)):
        for batch in loader():
            optimizer.zero_grad()
            loss_of(net, batch).backward()
            optimizer.step()
    if "attach" in how:
        monitor.detach()

if __name__ == "__main__":
    if "spawn" in sys.argv[1]:
        torch.multiprocessing.spawn(train, sys.argv[1:], nprocs=2)
    else:
        train(0, *sys.argv[1:])
"""
RUN = ("-m", "spikecheck", "run", "--json", "run.json")
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def script(how: str, *words: str) -> Callable[[float, Path], dict[str, Any]]:
    """Return what runs a script with these words before it, and returns the report as JSON has it."""

    def train(threshold: float, folder: Path) -> dict[str, Any]:
        (folder / "train.py").write_text(SCRIPT, encoding="utf-8")
        return report_of_process(folder, *words, "train.py", how, str(threshold), str(EPOCHS))

    return train


def two_ranks(library: str, *launcher: str) -> Callable[[float, Path], dict[str, Any]]:
    """Return what trains in two processes with a library, and returns the report as JSON has it."""

    def train(threshold: float, folder: Path) -> dict[str, Any]:
        return report_of_process(folder, *launcher, "-m", "tests.integrations.two_ranks", library, str(threshold))

    return train


def report_of_process(folder: Path, *words: str) -> dict[str, Any]:
    """Run Python in a folder, and return the one report that it writes there."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, *words], cwd=folder, env=env, check=True, capture_output=True)
    (file,) = (path for path in folder.glob("*.json"))
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    report: dict[str, Any] = content["files"][0]["report"] if "files" in content else content
    return report


def with_sink(name: str) -> Callable[[float, Path], Report]:
    """Return a plain loop whose course goes to a dashboard."""

    def train(threshold: float, folder: Path) -> Report:
        module = importlib.import_module(f"spikecheck.integrations.{name}")
        if name == "tensorboard":
            return plain_loop(threshold, folder, sinks=[module.TensorBoardSink(folder)])
        library = importlib.import_module(name)
        if name == "mlflow":
            os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
            library.set_tracking_uri((folder / "mlruns").as_uri())
            with library.start_run():
                return plain_loop(threshold, folder, sinks=[module.MLflowSink()])
        settings = library.Settings(silent=True)
        with library.init(mode="offline", dir=folder, project="test", settings=settings) as run:
            return plain_loop(threshold, folder, sinks=[module.WandbSink(run)])

    return train


def notebook(threshold: float, folder: Path) -> Report:
    """Train in a cell of IPython's shell."""
    shell = importlib.import_module("IPython.core.interactiveshell").InteractiveShell.instance()
    shell.run_line_magic("load_ext", "spikecheck")
    shell.run_cell(f"""
import torch
from tests.integrations.networks import loader, loss_of, seeded_net
net = seeded_net({threshold})
optimizer = torch.optim.Adam(net.parameters(), 5e-3)""")
    shell.run_cell(f"""%%spikecheck
for _ in range({EPOCHS}):
    for batch in loader():
        optimizer.zero_grad()
        loss_of(net, batch).backward()
        optimizer.step()""")
    (report,) = shell.user_ns["spikecheck_reports"].values()
    shell.run_line_magic("unload_ext", "spikecheck")
    return report  # type: ignore[no-any-return]


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
    Way("`spikecheck run train.py`", "torch", script("", *RUN)),
    Way("`torchrun -m spikecheck run`, DDP, 2 ranks", "torch", script("ddp", *TORCHRUN, *RUN)),
    Way("torchrun, DDP, `attach`, 2 ranks", "torch", script("ddp attach", *TORCHRUN)),
    Way("torchrun, FSDP2, `attach`, 2 ranks", "torch", script("fsdp attach", *TORCHRUN)),
    Way("`multiprocessing.spawn`, DDP, `attach`, 2 ranks", "torch", script("ddp attach spawn")),
    Way("a notebook, `%%spikecheck`", "IPython", notebook),
    Way("Lightning, `SpikecheckCallback`", "lightning", lightning),
    Way("Lightning, DDP, `SpikecheckCallback`, 2 ranks", "lightning", two_ranks("lightning"), EPOCHS * UPDATES // 2),
    Way("Hugging Face Trainer, `SpikecheckCallback`", "transformers", huggingface, 8 * UPDATES),
    Way(
        "torchrun, Hugging Face Trainer, `SpikecheckCallback`, 2 ranks",
        "transformers",
        two_ranks("huggingface", *TORCHRUN),
        EPOCHS * UPDATES // 2,
    ),
    Way("Accelerate, `attach`", "accelerate", accelerate),
    Way("PyTorch-Ignite, `SpikecheckHandler`", "ignite", ignite),
    Way(
        "torchrun, PyTorch-Ignite, `SpikecheckHandler`, 2 ranks",
        "ignite",
        two_ranks("ignite", *TORCHRUN),
        EPOCHS * UPDATES // 2,
    ),
    Way("skorch, `SpikecheckCallback`", "skorch", skorch, EPOCHS * 7),  # it holds a fifth of the data out
    Way("a plain loop, `TensorBoardSink`", "tensorboard", with_sink("tensorboard")),
    Way("a plain loop, `WandbSink`, offline", "wandb", with_sink("wandb")),
    Way("a plain loop, `MLflowSink`", "mlflow", with_sink("mlflow")),
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
