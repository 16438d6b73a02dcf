"""`spikecheck run` changes nothing of a script: its weights, output, arguments and exit code are those of Python."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import nn
from torch.optim.optimizer import Optimizer

from spikecheck.cli import main
from spikecheck.cli.run import command as run_command
from spikecheck.probe.watchers import watchers
from spikecheck.report.model import Report
from spikecheck.report.state import ReportState
from spikecheck.runlog.reader import read_log
from spikecheck.script_run.discovery import Discovery
from spikecheck.script_run.result import show
from spikecheck.script_run.runner import run_script
from tests.full import every_time
from tests.house.tree import ROOT
from tests.promises.scripts.styles import HEAD, PLAIN_LOOP, STYLES

LIBRARIES = ("snntorch", "spikingjelly")
ALWAYS = (
    "functional, without modules",
    "snntorch, time loop outside",
    "two optimizers",
    "trainer class with a closure",
)


@pytest.fixture(autouse=True)
def beside_the_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder with the module that scripts import, as it lies beside them."""
    shutil.copy(ROOT / "tests/promises/scripts/parts.py", tmp_path / "parts.py")
    monkeypatch.chdir(tmp_path)
    yield
    sys.modules.pop("parts", None)
    assert watchers.all() == []


def run(source: str, *args: str, watch: bool, capsys: Any = None) -> SimpleNamespace:
    """Run a script in this process, alone or watched."""
    Path("train.py").write_text(source, encoding="utf-8")
    random_state = torch.get_rng_state()
    reports: list[tuple[str, Report]] = []
    if watch:
        with Discovery() as discovery:
            code = run_script("train.py", ["weights.pt", *args], as_module=False)
        reports = discovery.reports()
        assert discovery.errors == []
    else:
        code = run_script("train.py", ["weights.pt", *args], as_module=False)
    torch.set_rng_state(random_state)
    weights = torch.load("weights.pt") if Path("weights.pt").exists() else None
    Path("weights.pt").unlink(missing_ok=True)
    shown = ("", "") if capsys is None else tuple(capsys.readouterr())
    return SimpleNamespace(code=code, weights=weights, reports=reports, out=shown[0], err=shown[1])


def tensors(value: Any) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    return [t for part in (value.values() if isinstance(value, dict) else value) for t in tensors(part)]


@pytest.mark.parametrize("style", every_time(STYLES, always=ALWAYS))
def test_a_script_trains_the_same_weights_and_is_reported(style: str, capsys: pytest.CaptureFixture[str]) -> None:
    source, models = STYLES[style]
    for library in LIBRARIES:
        if library in source:
            pytest.importorskip(library)
    alone = run(source, "3", watch=False, capsys=capsys)
    watched = run(source, "3", watch=True, capsys=capsys)
    assert alone.code == watched.code == 0
    assert watched.out == alone.out
    assert len(tensors(alone.weights)) >= 2
    for one, other in zip(tensors(alone.weights), tensors(watched.weights), strict=True):
        assert torch.equal(one, other)
    assert len(watched.reports) == models
    for name, report in watched.reports:
        assert report.updates >= 4, name
        assert report.layers, name
        assert not any(verdict.check == "SPK001" and verdict.findings for verdict in report.verdicts)


def test_tensors_without_modules_have_the_scripts_names() -> None:
    ((name, report),) = run(STYLES["functional, without modules"][0], watch=True).reports
    assert name == "parameters (Adamax)"
    assert [row.name for row in report.weights] == ["w1", "w2"]


def test_layers_that_are_called_one_by_one_are_one_model() -> None:
    first = "fc2(lif1(fc1(x[:, 0]), lif1.init_leaky())[0])  # before there is any optimizer\noptimizer ="
    source = STYLES["snntorch, time loop outside"][0].replace("optimizer =", first, 1)
    pytest.importorskip("snntorch")
    source = source.replace("snn.Leaky(beta=0.9)", "snn.Leaky(beta=0.9, threshold=30.0)", 1)
    ((name, report),) = run(source, watch=True).reports
    assert name == "fc1, lif1, fc2, lif2"
    assert [row.name for row in report.layers] == ["lif1", "lif2"]
    fixes = "\n".join(finding.fix for finding in report.findings)
    assert "\nlif1.threshold.data.fill_(" in f"\n{fixes}", "a fix for the script's own variable"


def test_a_model_with_a_new_head_is_reported_for_each_phase() -> None:
    phases = "optimizer.step()\nnet.fc2 = nn.Linear(16, CLASSES)\n"
    phases += "optimizer = torch.optim.Adam(net.fc2.parameters(), lr=0.01)\nfor i in range(5):\n"
    phases += (
        "    loss = F.cross_entropy(net(x), y)\n    optimizer.zero_grad()\n    loss.backward()\n    optimizer.step()\n"
    )
    reports = run(f"{PLAIN_LOOP}\n{phases}", "1", watch=True).reports
    assert [name for name, _ in reports] == ["net (Net)", "net (Net)"]
    assert [report.updates for _, report in reports] == [4, 5]
    assert all(len(report.layers) == 2 for _, report in reports)


def test_a_compiled_model_stays_one_graph() -> None:
    source = PLAIN_LOOP.replace("net = Net()", "net = nn.Sequential(nn.Flatten(), nn.Linear(STEPS * INPUTS, CLASSES))")
    source = source.replace("net(x[i", "compiled(x[i").replace(
        "optimizer =", "compiled = torch.compile(net, backend='eager', fullgraph=True)\noptimizer =", 1
    )
    alone, watched = run(source, "1", watch=False), run(source, "1", watch=True)
    assert alone.code == watched.code == 0
    assert all(map(torch.equal, tensors(alone.weights), tensors(watched.weights)))
    assert [report.updates for _, report in watched.reports] == [3]


def test_a_library_may_give_parameters_and_modules_another_meaning() -> None:
    names = "    def parameters(self):\n        return {}\n\n    def modules(self):\n        return {}\n\n\n"
    source = PLAIN_LOOP.replace("net = Net()", f"class Other(Net):\n{names}net = Other()")
    source = source.replace("Adam(net.parameters()", "Adam([p for _, p in net.named_parameters()]")
    assert [(name, report.updates) for name, report in run(source, "1", watch=True).reports] == [("net (Other)", 3)]


def test_everything_of_torch_is_restored() -> None:
    before = nn.Module.__call__, Optimizer.__init__, Optimizer.step
    watched = run(PLAIN_LOOP, "1", watch=True)
    assert (nn.Module.__call__, Optimizer.__init__, Optimizer.step) == before
    assert watched.reports[0][0] == "net (Net)"
    assert [row.forward_passes for _, row in watched.reports] == [3], "from the first one on"


def test_the_interpreter_is_as_for_the_script_alone(capsys: pytest.CaptureFixture[str]) -> None:
    source = "import sys, os, __main__\nprint(__name__, __file__, sys.argv, sys.path[0], __main__.__file__, __spec__)"
    before = sys.argv[:], sys.path[:]
    shown = run(source, "--epochs", "1", watch=True, capsys=capsys).out.split()
    script = str(Path("train.py").resolve())
    assert shown[:2] == ["__main__", script]
    assert " ".join(shown[2:6]) == "['train.py', 'weights.pt', '--epochs', '1']"
    assert shown[6:] == [str(Path.cwd()), script, "None"]
    assert (sys.argv, sys.path) == before


@pytest.mark.parametrize(
    ("end", "code", "text"),
    [
        ("sys.exit()", 0, ""),
        ("sys.exit('no data')", 1, "no data\n"),
        ("raise ValueError('boom')", 1, "ValueError: boom"),
        ("raise KeyboardInterrupt", 130, "KeyboardInterrupt"),
    ],
)
def test_a_script_that_ends_early_is_reported_and_its_exit_code_wins(
    end: str, code: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = run(f"{PLAIN_LOOP}\n{end}\n", "1", watch=True, capsys=capsys)
    assert ended.code == code
    assert text in ended.err
    assert len(ended.reports) == 1
    if "Traceback" in ended.err:
        assert "runner.py" not in ended.err
        assert "runpy" not in ended.err
        assert 'train.py", line' in ended.err


def test_a_model_that_nothing_trains_is_reported_where_nothing_else_is() -> None:
    loop = "net = Net()\nfor i in range(3):\n    F.cross_entropy(net(x), y).backward()\n"
    (_, report), *others = run(HEAD + loop, watch=True).reports
    assert not others
    assert (report.updates, report.forward_passes) == (0, 3)


@pytest.mark.parametrize("first", ["net = Net()\nadam = O(net.parameters())", "adam = O(Net().parameters())"])
def test_an_optimizer_of_another_network_is_named(first: str) -> None:
    """The network is created again after its optimizer; the first one is gone by then, or not."""
    loop = "for i in range(3):\n    F.cross_entropy(net(x), y).backward()\n    adam.step()\n"
    reports = run(f"{HEAD}O = torch.optim.Adamax\n{first}\nnet = Net()\n{loop}", watch=True).reports
    (report,) = [report for _, report in reports if report.layers]
    assert (report.updates, report.forward_passes) == (0, 3)
    assert report.state is ReportState.TOO_LITTLE
    assert any("Adamax steps, and holds none of the model's parameters" in one.text for one in report.unseen)


def test_a_monitor_of_the_scripts_own_is_left_alone() -> None:
    own = PLAIN_LOOP.replace("for epoch", "import spikecheck\nmonitor = spikecheck.attach(net)\nfor epoch", 1)
    own += "\nassert monitor.watching and monitor.report().updates == 3\nmonitor.detach()\n"
    ended = run(own, "1", watch=True)
    assert ended.code == 0
    assert ended.reports == []


def test_many_models_one_after_the_other_are_all_reported_and_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spikecheck.script_run.discovery.MAX_LIVE", 2)
    source = HEAD + "import weakref, gc\nfirst = None\nfor fold in range(4):\n    net = Net()\n"
    source += "    first = first or weakref.ref(net)\n    opt = torch.optim.SGD(net.parameters(), lr=0.1)\n"
    source += "    F.cross_entropy(net(x), y).backward()\n    opt.step()\ngc.collect()\nassert first() is None\n"
    ended = run(source, watch=True)
    assert ended.code == 0
    assert [report.updates for _, report in ended.reports] == [1, 1, 1, 1]


def command(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run `spikecheck run` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "spikecheck", "run", *args],
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **env},
    )


def test_of_several_models_those_without_spikes_take_one_line() -> None:
    plain = TWO.replace("discriminator = Net(inputs=4, outputs=INPUTS), Net(outputs=1)", PLAIN_DISCRIMINATOR)
    reports = run(plain, watch=True).reports
    console = Console(file=StringIO(), width=80)
    show(reports, console)
    assert isinstance(console.file, StringIO)
    lines = console.file.getvalue().splitlines()
    assert lines[0].startswith("generator (Net) ──")
    assert lines[-1].startswith("discriminator (Sequential): not enough was observed to judge")
    assert len([line for line in lines if "discriminator" in line]) == 1


TWO = STYLES["two optimizers"][0]
PLAIN_DISCRIMINATOR = "discriminator = Net(inputs=4, outputs=INPUTS), nn.Sequential(nn.Flatten(), nn.LazyLinear(1))"
WORKERS = PLAIN_LOOP.replace(
    "for epoch",
    "loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), 16, num_workers=2)\n"
    "print(sum(len(labels) for _, labels in loader), 'from workers')\nfor epoch",
    1,
)


@pytest.mark.slow
def test_a_package_with_relative_imports_workers_files_and_fail_on() -> None:
    Path("lab").mkdir()
    shutil.move("parts.py", "lab/parts.py")
    Path("lab/__init__.py").touch()
    Path("lab/train.py").write_text(WORKERS.replace("from parts", "from .parts"), encoding="utf-8")
    options = ["--json", "out.json", "--fail-on", "note"]
    ended = command(*options, "-m", "lab.train", "weights.pt", "1")
    assert ended.stdout.splitlines()[0] == "48 from workers"
    assert "spikecheck · 3 updates" in ended.stderr
    assert ended.returncode in (0, 1)
    assert Path("weights.pt").exists()
    assert '"updates": 3' in Path("out.json").read_text(encoding="utf-8")


@pytest.mark.full
def test_ctrl_c_gives_the_report() -> None:
    endless = PLAIN_LOOP.replace("range(int(sys.argv[2]))", "iter(int, 1)")
    Path("train.py").write_text(endless, encoding="utf-8")
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    args = [sys.executable, "-m", "spikecheck", "run", "train.py", "weights.pt"]
    running = subprocess.Popen(args, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stdout is not None
    running.stdout.readline()
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=240)
    assert running.returncode == 130
    assert "KeyboardInterrupt" in errors
    assert "spikecheck · " in errors


@pytest.mark.full
def test_under_torchrun_rank_0_gives_the_report() -> None:
    Path("train.py").write_text(
        PLAIN_LOOP.replace(
            "net = Net()",
            "import os\ntorch.distributed.init_process_group('gloo')\n"
            "net = nn.parallel.DistributedDataParallel(Net())\nsys.argv[1] += os.environ['RANK']",
        ),
        encoding="utf-8",
    )
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    options = ["-m", "spikecheck", "run", "--json", "out.json", "train.py", "weights.pt", "2"]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run([sys.executable, *torchrun, *options], capture_output=True, text=True, timeout=280, env=env)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.count("spikecheck · 6 updates") == 1
    assert '"updates": 6' in Path("out.json").read_text(encoding="utf-8")
    assert not Path("out.rank1.json").exists()


@pytest.mark.parametrize(
    ("options", "end", "code"),
    [
        ([], "", 0),
        (["--fail-on", "error"], "sys.exit(3)", 3),
        (["--html", "out.html", "--json", "out.json", "--fail-on", "error"], "", 1),
    ],
)
def test_a_finding_decides_only_what_the_script_leaves_open(
    options: list[str], end: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("train.py").write_text(f"{PLAIN_LOOP.replace('net = Net()', 'net = Net(); y[:] = 1')}\n{end}\n")
    assert main(["run", *options, "train.py", "weights.pt", "3"]) == code
    captured = capsys.readouterr()
    assert captured.out.count("epoch") == 3
    assert "spikecheck" not in captured.out
    assert "SPK307 one-class-targets" in captured.err
    for file in options[1:4:2] if "--html" in options else ():
        assert "SPK307" in Path(file).read_text(encoding="utf-8")


def test_the_log_holds_the_run_and_names_what_ended_it() -> None:
    Path("train.py").write_text(f"{PLAIN_LOOP}\nraise ValueError('boom')\n")
    assert main(["run", "--log", "run.jsonl", "train.py", "weights.pt", "2"]) == 1
    (logged,) = read_log("run.jsonl")
    assert logged.name == "net (Net)"
    assert logged.error == "ValueError: boom"
    assert logged.points


def test_files_are_where_the_command_was_called_whatever_folder_the_script_changes_to(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    moving = f"import os\nos.chdir({str(other)!r})\nnet = Net()"
    Path("train.py").write_text(PLAIN_LOOP.replace("net = Net()", moving), encoding="utf-8")
    options = ["--json", "out.json", "--log", "run.jsonl", "--sarif", "out.sarif"]
    assert main(["run", *options, "train.py", "weights.pt", "1"]) == 0
    os.chdir(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} >= {"out.json", "run.jsonl", "out.sarif"}


@pytest.mark.parametrize(
    ("end", "reports"), [("", False), ("raise ValueError", True), ("raise KeyboardInterrupt", False)]
)
def test_a_rank_beside_the_first_gives_its_report_where_it_fails_alone(
    end: str, reports: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("train.py").write_text(f"{PLAIN_LOOP}\n{end}\n", encoding="utf-8")
    for name, value in {"RANK": "1", "WORLD_SIZE": "2", "SPIKECHECK_RANKS": str(tmp_path / "ranks")}.items():
        monkeypatch.setenv(name, value)
    assert main(["run", "--json", "out.json", "train.py", "weights.pt", "1"]) == {"": 0, "raise ValueError": 1}.get(
        end, 130
    )
    assert ("spikecheck · 3 updates" in capsys.readouterr().err) is reports
    assert Path("out.rank1.json").exists() is reports


def test_every_option_has_a_name_that_torchrun_leaves_alone() -> None:
    """It takes an option behind the script for an abbreviation of its own, and fails."""
    from torch.distributed.run import get_args_parser

    def passes(option: str) -> bool:
        with suppress(SystemExit):
            words = get_args_parser().parse_args(["-m", "spikecheck", "run", option, "train.py"])
            return bool(words.training_script_args == ["run", option, "train.py"])
        return False

    options = [parameter.opts for parameter in run_command.params if parameter.opts[0].startswith("-")]
    assert [names for names in options if not any(map(passes, names))] == []


def test_switched_off_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    Path("train.py").write_text(PLAIN_LOOP, encoding="utf-8")
    monkeypatch.setenv("SPIKECHECK", "off")
    assert main(["run", "--fail-on", "note", "train.py", "weights.pt", "1"]) == 0
    assert "SPIKECHECK is set to off" in capsys.readouterr().err


@pytest.mark.parametrize("options", [["--write-baseline"], ["--baseline", "nowhere.json"]])
def test_a_baseline_that_cannot_be_used_is_told_before_the_run(options: list[str]) -> None:
    Path("train.py").write_text("import pathlib\npathlib.Path('ran').touch()\n", encoding="utf-8")
    assert main(["run", *options, "train.py"]) == 2
    assert not Path("ran").exists()


@pytest.mark.parametrize(("args", "message"), [(["nowhere.py"], "no such file"), (["-m", "no.where"], "no module")])
def test_what_cannot_be_run(args: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", *args]) == 2
    assert message in capsys.readouterr().err
