"""The log of a run: what is in it, that it outlives the process, and what is read from it."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import torch
from click.testing import CliRunner

import spikecheck
from spikecheck.cli.report import command as report_command
from spikecheck.cli.watch import Followed
from spikecheck.cli.watch import command as watch_command
from spikecheck.errors import SpikecheckError
from spikecheck.plugin import RunLog, RunStart
from spikecheck.runlog.reader import LogReader, read_log
from spikecheck.settings import Settings
from tests.house.test_import_is_light import loaded_by
from tests.promises.networks import Run, by_hand


@pytest.fixture(scope="module")
def sick_log(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, spikecheck.Report]:
    """The log of a network whose layer never fires, and the report that its monitor gave."""
    path = tmp_path_factory.mktemp("log") / "run.jsonl"
    run = Run(by_hand())
    run.model.lif.threshold = 50.0  # type: ignore[assignment, union-attr]
    with spikecheck.attach(run.model, log=path, on_finding=lambda finding: None) as monitor:
        run.train(70)
    return path, monitor.report()


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_every_line_is_what_the_schema_says(sick_log: tuple[Path, spikecheck.Report]) -> None:
    schema = json.loads((files("spikecheck.runlog") / "schema-1.json").read_text())
    lines = lines_of(sick_log[0])
    for line in lines:
        jsonschema.validate(line, schema)
    assert {line["line"] for line in lines} >= {"start", "point", "finding", "state", "end"}


def test_the_report_from_the_log_is_that_of_the_monitor(sick_log: tuple[Path, spikecheck.Report]) -> None:
    path, report = sick_log
    (run,) = read_log(path)
    again, before = run.report(Settings()).to_dict(), report.to_dict()
    for one in (again, before):
        one.pop("cost")  # of another moment
        one.pop("start_cost")
    assert json.dumps(again) == json.dumps(before)


def test_what_is_over_holds_no_longer_in_the_log(sick_log: tuple[Path, spikecheck.Report], tmp_path: Path) -> None:
    cause = sick_log[1].root_causes[0]
    log = RunLog(tmp_path / "run.jsonl")
    log.begin(RunStart("Net"))
    log.finding(cause, 3)
    assert [one.message for one in read_log(log.path)[0].causes()] == [cause.finding.message]
    log.over(cause.finding, 9)
    assert read_log(log.path)[0].causes() == []


def test_the_commands_show_it(sick_log: tuple[Path, spikecheck.Report], tmp_path: Path) -> None:
    path, report = sick_log
    runner = CliRunner()
    shown = runner.invoke(watch_command, [str(path), "--once"]).output
    check = report.root_causes[0].finding.check
    assert "70 updates" in shown
    assert "lif firing rate" in shown
    assert check in shown
    finding, numbers = runner.invoke(watch_command, [str(path)]).output.splitlines()  # of a run that is over, it ends
    assert check in finding
    assert "70 updates" in numbers
    assert numbers.endswith("lif firing rate 0")
    made = runner.invoke(report_command, [str(path), "--json", str(tmp_path / "r.json")], standalone_mode=False)
    assert made.return_value == 1
    assert check in made.output
    (entry,) = json.loads((tmp_path / "r.json").read_text())["files"]
    assert entry["report"]["updates"] == 70


def test_where_the_output_is_no_terminal_there_is_a_line_for_what_is_new(
    sick_log: tuple[Path, spikecheck.Report], tmp_path: Path
) -> None:
    lines = sick_log[0].read_text(encoding="utf-8").splitlines(keepends=True)
    at = next(number for number, line in enumerate(lines) if '"line":"finding"' in line)
    finding = json.loads(lines[at])
    over = {**finding, "line": "over", "update": 70, "check": finding["finding"]["check"], "site": "lif"}
    path, followed = tmp_path / "run.jsonl", Followed()

    def news(text: str) -> list[str]:
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
        return list(followed.news(read_log(path)[0]))

    assert [line.endswith("training") for line in news("".join(lines[:1]))] == [True]
    assert news("") == []
    assert finding["finding"]["message"] in news("".join(lines[1 : at + 1]))[0]
    assert news("") == []
    assert news(json.dumps(over) + "\n") == [f"update 70 · {over['check']} is over · lif"]
    assert "· ended ·" in news(lines[-1])[0]
    assert news("") == []


def test_reading_a_log_does_not_load_torch(sick_log: tuple[Path, spikecheck.Report]) -> None:
    code = f"from spikecheck.cli import main; assert main(['report', {str(sick_log[0])!r}]) == 1"
    assert "torch" not in loaded_by(code)


def train_for_ever(path: str) -> None:
    torch.manual_seed(0)
    run = Run(by_hand())
    spikecheck.attach(run.model, log=path)
    while True:
        run.train(1)


def test_a_killed_run_leaves_its_log(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    child = multiprocessing.get_context("fork").Process(target=train_for_ever, args=(str(path),))
    child.start()
    deadline = time.monotonic() + 60

    def is_behind() -> bool:
        """Whether points follow the latest state."""
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        return text.count('"point"') >= 8 and '"point"' in text.rpartition('"state"')[2]

    while time.monotonic() < deadline and not is_behind():
        time.sleep(0.02)
    os.kill(child.pid or 0, signal.SIGKILL)
    child.join()
    (run,) = read_log(path)
    report = run.report(Settings())
    assert run.ending is None
    assert "no end: it still trains, or was killed" in run.headline
    assert report.layers
    assert run.update > report.updates
    assert any("later ones are in its points" in one.text for one in report.unseen)


def test_a_torn_line_is_left_out_and_the_next_run_begins_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    for _ in range(2):
        run = Run(by_hand())
        with spikecheck.attach(run.model, log=path):
            run.train(2)
        with path.open("a") as file:
            file.write('{"run":"x","line":"poi')
    assert len(read_log(path, every=True)) == 2
    assert len(read_log(path)) == 2, "both of one process"


def test_a_line_that_is_half_written_is_read_later(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    line = b'{"run":"a","line":"start","schema":1,"session":"s","model":"Net","variable":"net"}\n'
    path.write_bytes(line[:20])
    reader = LogReader(path)
    reader.advance()
    assert reader.latest() == []
    path.write_bytes(line)
    reader.advance()
    assert [run.name for run in reader.latest()] == ["net (Net)"]


def test_the_file_is_replaced_at_a_size_and_the_report_knows_the_whole_run(tmp_path: Path) -> None:
    path, run = tmp_path / "run.jsonl", Run(by_hand())
    with spikecheck.attach(run.model, sinks=[RunLog(path, max_bytes=20_000, pictures=False)]) as monitor:
        run.train(40)
    assert (tmp_path / "run.jsonl.1").exists()
    assert lines_of(path)[0]["part"] > 0
    (logged,) = read_log(path)
    assert logged.report(Settings()).updates == monitor.report().updates == 40
    assert logged.report(Settings()).layers[0].recent is None, "pictures=False"


def test_a_reader_follows_a_file_that_is_replaced(tmp_path: Path) -> None:
    path, run = tmp_path / "run.jsonl", Run(by_hand())
    with spikecheck.attach(run.model, sinks=[RunLog(path, max_bytes=20_000)]):
        reader = LogReader(path)
        for _ in range(20):
            run.train(1)
            reader.advance()
    reader.advance()
    (logged,) = reader.latest()
    assert logged.ending is not None
    assert logged.update == 20


def test_the_end_names_what_ended_the_run(tmp_path: Path) -> None:
    path, run = tmp_path / "run.jsonl", Run(by_hand())
    monitor = spikecheck.attach(run.model, log=path)
    run.train(2)
    with pytest.raises(RuntimeError), monitor:
        raise RuntimeError("out of memory")
    (logged,) = read_log(path)
    assert "ended after 2 updates by RuntimeError: out of memory" in logged.headline


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file"),
        ("", "holds no run"),
        ("not JSON\n", "holds no run"),
        ('{"run":"a","line":"start","schema":2}\n', "version 2"),
        ('{"run":"a","line":"start","schema":1}\n', "no state yet"),
        ('{"run":"a","line":"start","schema":1}\n{"run":"a","line":"state","evidence":{"version":1}}\n', "missing"),
    ],
)
def test_what_cannot_be_reported_is_an_error_of_one_line(content: str | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SpikecheckError, match=message):
        read_log(path)[0].report(Settings())


def test_a_log_that_cannot_be_written_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(SpikecheckError, match="cannot be written"):
        spikecheck.attach(by_hand(), log=tmp_path / "no folder" / "run.jsonl")


def test_attaching_again_ends_the_log_of_the_first_monitor(tmp_path: Path) -> None:
    run = Run(by_hand())
    spikecheck.attach(run.model, log=tmp_path / "first.jsonl")
    run.train(1)
    spikecheck.attach(run.model).detach()
    assert lines_of(tmp_path / "first.jsonl")[-1]["line"] == "end"
