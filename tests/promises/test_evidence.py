"""The evidence of a run in a checkpoint: the same verdict without the model, and nothing that is not checked."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import spikecheck
from spikecheck.checkpoint import diagnose_file
from spikecheck.cli import main
from spikecheck.errors import EvidenceError, SpikecheckError, UnreadableError
from spikecheck.evidence.evidence import FORMAT, VERSION, Evidence
from spikecheck.finding import Outcome, UnseenKind
from spikecheck.monitor import Monitor
from spikecheck.report.model import Report
from spikecheck.settings import Settings
from tests.promises.networks import STEPS, ByHand, Run, batch


class Scaled(ByHand):
    """The small network with its input multiplied, so that it is unwell."""

    def __init__(self, times: float) -> None:
        super().__init__()
        self.times = times

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x * self.times)


def watched(model: nn.Module, updates: int = 6, **options: Any) -> Monitor:
    """A monitor that saw some updates."""
    torch.manual_seed(0)
    with spikecheck.attach(model, on_finding=lambda finding: None, **options) as monitor:
        Run(model).train(updates)
    return monitor


def run_part(report: Report) -> dict[str, Any]:
    """What a report says of a run: everything but the checks of files, the headline, and the time that it took."""
    content_of_report = report.to_dict()
    remaining = [v for v in content_of_report["verdicts"] if not v["check"].startswith("SPK5")]
    return {**content_of_report, "verdicts": remaining, "subject": "", "cost": None}


RUNS: dict[str, Any] = {
    "healthy": lambda: watched(ByHand()),
    "silent": lambda: watched(Scaled(0.0)),
    "driven far": lambda: watched(Scaled(1e3)),
    "nan": lambda: watched(Scaled(float("nan"))),
    "infinite": lambda: watched(Scaled(float("inf"))),
    "long": lambda: watched(ByHand(), updates=80),
    "nothing seen": lambda: spikecheck.attach(ByHand()),
}


@pytest.mark.parametrize("made", RUNS.values(), ids=RUNS)
def test_a_file_says_of_the_run_what_the_monitor_says(made: Any, tmp_path: Path) -> None:
    monitor = made()
    content = {"model": monitor.model.state_dict(), "epoch": 3}
    spikecheck.save_evidence(content, monitor)
    torch.save(content, tmp_path / "ck.pt")
    report = diagnose_file(tmp_path / "ck.pt", settings=Settings())
    alone = [f for f in report.findings if not f.check.startswith("SPK5")]
    assert run_part(report)["verdicts"] == run_part(monitor.report())["verdicts"]
    assert sorted(map(str, alone)) == sorted(map(str, monitor.report().findings))
    assert json.dumps(run_part(report)["layers"]) == json.dumps(run_part(monitor.report())["layers"])
    assert report.updates == monitor.report().updates
    assert set(monitor.report().unseen) <= set(report.unseen)
    monitor.detach()


def test_evidence_of_a_part_of_the_run_says_of_which(tmp_path: Path) -> None:
    """After a run was resumed, the monitor knows the rest of it, and the optimizer all."""
    run = Run(ByHand()).train(4)
    with spikecheck.attach(run.model, on_finding=lambda finding: None) as monitor:
        run.train(3)
    for saved, missed in ((7, True), (3, False)):
        optimizer = run.optimizer.state_dict()
        for slots in optimizer["state"].values():
            slots["step"] = torch.tensor(float(saved))
        spikecheck.save_evidence(content := {"model": run.model.state_dict(), "optimizer": optimizer}, monitor)
        torch.save(content, tmp_path / "ck.pt")
        content_of_report = diagnose_file(tmp_path / "ck.pt", settings=Settings()).unseen
        assert [one.text[:21] for one in content_of_report if one.kind is UnseenKind.EARLIER_UPDATES] == [
            "the first 4 of 7 upda"
        ] * missed


def test_safetensors_hold_it_as_json_in_their_metadata(tmp_path: Path) -> None:
    save_file = pytest.importorskip("safetensors.torch", reason="pip install safetensors").save_file
    monitor = watched(Scaled(1e3))
    weights = monitor.model.state_dict()
    save_file(weights, tmp_path / "net.safetensors", metadata={"spikecheck": json.dumps(monitor.state_dict())})
    report = diagnose_file(tmp_path / "net.safetensors", settings=Settings())
    assert run_part(report)["verdicts"] == run_part(monitor.report())["verdicts"]
    assert "evidence of 6 updates" in report.headline
    save_file(weights, tmp_path / "net.safetensors", metadata={"spikecheck": "not JSON", "format": "pt"})
    with pytest.raises(UnreadableError, match="the evidence in its metadata is not valid JSON"):
        diagnose_file(tmp_path / "net.safetensors", settings=Settings())


@pytest.mark.parametrize("made", RUNS.values(), ids=RUNS)
def test_the_evidence_comes_back_as_it_was(made: Any) -> None:
    monitor = made()
    evidence = monitor.evidence()
    again = Evidence.from_state_dict(evidence.state_dict())
    assert json.dumps(again.content()) == json.dumps(evidence.content())
    assert str(again.report(again.judge(Settings()))) == str(evidence.report(monitor._judge))
    monitor.detach()


@pytest.mark.parametrize("table", ["[tool.spikecheck]", '[[tool.spikecheck.sites]]\nmatch = "*"'])
def test_what_was_to_be_kept_quiet_and_other_limits_travel_along(
    table: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyproject.toml").write_text(f"{table}\nSPK206.max_drive = 1e9\n", encoding="utf-8")
    monkeypatch.setattr("spikecheck.rootdir.folder", tmp_path)
    monkeypatch.chdir(tmp_path)
    monitor = watched(Scaled(1e3), ignore=["SPK303", "SPK101"])
    torch.save({}, "run.pt")
    spikecheck.save_evidence("run.pt", monitor)
    (tmp_path / "pyproject.toml").write_text("", encoding="utf-8")
    report = diagnose_file(tmp_path / "run.pt")
    assert [f.key for f in report.findings] == [f.key for f in monitor.report().findings]
    assert not {"SPK206", "SPK303"} & {f.check for f in report.findings}
    assert "evidence of " in report.subject


def test_torch_reads_it_with_weights_only_and_the_rest_stays(tmp_path: Path) -> None:
    monitor = watched(ByHand())
    optimizer = torch.optim.Adam(monitor.model.parameters())
    torch.save(
        {"model": monitor.model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}, tmp_path / "a.pt"
    )
    spikecheck.save_evidence(tmp_path / "a.pt", monitor)
    content = torch.load(tmp_path / "a.pt", weights_only=True)
    assert list(content) == ["model", "optimizer", "epoch", "spikecheck"]
    assert all(isinstance(value, str | int) for value in content["spikecheck"].values())
    ByHand().load_state_dict(content["model"])
    spikecheck.save_evidence(tmp_path / "a.pt", monitor)  # once more replaces it
    assert torch.load(tmp_path / "a.pt", weights_only=True).keys() == content.keys()
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda path: torch.save(ByHand().state_dict(), path), "bare state dict"),
        (lambda path: torch.save([1, 2], path), "holds a list"),
        (lambda path: torch.save({"net": ByHand()}, path), "add the evidence before it is saved"),
        (lambda path: path.write_bytes(b"hello"), "cannot be read"),
        (lambda path: path.mkdir(), "cannot be read"),
    ],
    ids=["bare", "list", "module", "text", "folder"],
)
def test_a_file_that_cannot_take_it_is_left_as_it_is(make: Any, complaint: str, tmp_path: Path) -> None:
    path, monitor = tmp_path / "ck.pt", watched(ByHand(), updates=1)
    make(path)
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(SpikecheckError, match=complaint):
        spikecheck.save_evidence(path, monitor)
    assert (path.read_bytes() if path.is_file() else b"") == before
    for missing in (tmp_path / "no" / "where.pt", tmp_path / "mistyped.pt"):
        with pytest.raises(SpikecheckError, match="does not exist"):
            spikecheck.save_evidence(missing, monitor)
        assert not missing.exists()


@cache
def written() -> str:
    return watched(Scaled(1e3), updates=2).state_dict()["content"]


def sample() -> dict[str, Any]:
    return json.loads(written())


def changed(path: str, value: Any) -> dict[str, Any]:
    content = sample()
    *parents, last = path.split("/")
    part: Any = content
    for key in parents:
        part = part[int(key) if isinstance(part, list) else key]
    part[int(last) if isinstance(part, list) else last] = value
    return {"format": FORMAT, "version": VERSION, "content": json.dumps(content)}


def stripped() -> dict[str, Any]:
    """Return evidence without a single reading, of which no check would find anything."""
    content = sample()
    empty = {"sites": [], "first_sites": [], "earlier": [], "windows": {name: {} for name in content["windows"]}}
    return {"format": FORMAT, "version": VERSION, "content": json.dumps({**content, **empty})}


def raw(content: Any, version: Any = VERSION) -> dict[str, Any]:
    return {"format": FORMAT, "version": version, "content": content}


HOSTILE: dict[str, Any] = {
    "newer": (lambda: raw("{}", 2), "this spikecheck reads version 1: update spikecheck"),
    "far newer": (lambda: raw("{}", 10**500), "update spikecheck"),
    "no version": (lambda: {"format": FORMAT}, "missing"),
    "bool as version": (lambda: raw("{}", True), "has the wrong type"),
    "text as version": (lambda: raw("{}", "1"), "has the wrong type"),
    "bytes": (lambda: raw(b"{}"), "has the wrong type"),
    "tensor": (lambda: raw(torch.zeros(3)), "has the wrong type"),
    "no JSON": (lambda: raw("{"), "it is damaged"),
    "a list": (lambda: raw("[]"), "expected a dictionary, got list"),
    "empty": (lambda: raw("{}"), "expected a dictionary"),
    "deep": (lambda: raw("[" * 200_000), "it is damaged"),
    "wide": (lambda: raw("[" + "[]," * 1_100_000), "larger than any"),
    "long": (lambda: raw(" " * (1 << 25) + "{}"), "larger than any"),
    "digits": (lambda: raw('{"run": ' + "9" * 10_000 + "}"), "it is damaged"),
    "huge number": (lambda: changed("run/update", 10**30), "the number is too large"),
    "huge float": (lambda: changed("sites/0/position", 10**30), "the number is too large"),
    "nan as count": (lambda: changed("run/update", float("nan")), "expected int, got float"),
    "nan as text": (lambda: changed("sites/0/name", float("nan")), "expected str, got float"),
    "text as count": (lambda: changed("windows/all/lif/SpikeReading/time_steps", "many"), "expected int, got str"),
    "true as count": (lambda: changed("windows/all/lif/SpikeReading/time_steps", True), "expected int, got bool"),
    "a dict as a list": (lambda: changed("windows/all/lif/SpikeReading/values", {}), "expected a list, got dict"),
    "another kind": (lambda: changed("sites/0/kind", "COLOR"), "SiteKind has no member"),
    "another check": (lambda: changed("earlier/0/check", "SPK999"), "there is no check 'SPK999'"),
    "another severity": (lambda: changed("earlier/0/severity", "fatal"), "no valid severity"),
    "lists in lists": (lambda: changed("earlier/0/observed/numbers", {"a": [[1]]}), "a list of lists"),
    "a limit of none": (lambda: changed("limits", {"SPK203": {"color": 1}}), "color"),
    "a limit of an unknown check": (lambda: changed("limits", {"SPK999": {"a": 1}}), "no check has this id"),
    "nothing to judge": (lambda: stripped(), "nothing that a check can judge"),
    "thousands of sites": (lambda: changed("sites", sample()["sites"] * 100), "more than any run"),
    "thousands of rules": (
        lambda: changed("silenced", [{"pattern": "SPK203:a*", "reason": "x"}] * 2000),
        "entries in silenced, more than any run",
    ),
    "a missing part": (lambda: changed("windows/all/lif/DriveReading", {}), "lacks"),
}


@pytest.mark.parametrize("case", HOSTILE.values(), ids=HOSTILE)
def test_what_no_monitor_writes_is_refused_and_the_weights_are_judged(
    case: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make, complaint = case
    sick = torch.randn(8, 16)
    sick[3, 5] = float("nan")
    torch.save({"model": {"fc1.weight": sick}, "spikecheck": make()}, tmp_path / "ck.pt")
    report = diagnose_file(tmp_path / "ck.pt", settings=Settings())
    assert [f.check for f in report.findings] == ["SPK501"]
    (reason,) = (one.text for one in report.unseen if one.kind is UnseenKind.EVIDENCE_REFUSED)
    assert complaint in reason
    assert len(reason) < 500
    assert reason.isprintable()
    unjudged = {v.outcome for v in report.verdicts if not v.check.startswith("SPK5")}
    assert unjudged == {Outcome.COULD_NOT_RUN}, "what was refused must not look like health"
    monkeypatch.chdir(tmp_path)
    assert main(["diagnose", "ck.pt"]) == 2
    assert complaint.split()[0] in capsys.readouterr().out


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("silenced", [{"pattern": "SPK501", "reason": "x"}, {"pattern": "SPK501:*", "reason": "x"}]),
        ("site_limits", [{"match": ["*"], "ignore": {"SPK501": "x"}}]),
    ],
)
def test_rules_in_a_file_silence_nothing_about_its_weights(part: str, value: Any, tmp_path: Path) -> None:
    sick = torch.full((8, 16), float("nan"))
    torch.save({"model": {"fc1.weight": sick}, "spikecheck": changed(part, value)}, tmp_path / "ck.pt")
    assert "SPK501" in [f.check for f in diagnose_file(tmp_path / "ck.pt", settings=Settings()).findings]


NEWER: dict[str, Any] = {
    "a field of a reading": lambda: changed("windows/all/lif/SpikeReading/color", 1),
    "a reading": lambda: changed("windows/all/lif/ColorReading", {"color": 1}),
    "a field of the run": lambda: changed("run/color", [1, 2]),
    "a field of a site": lambda: changed("sites/0/color", "red"),
    "a part": lambda: changed("colors", {}),
}


@pytest.mark.parametrize("make", NEWER.values(), ids=NEWER)
def test_what_a_newer_spikecheck_adds_is_ignored(make: Any) -> None:
    again = Evidence.from_state_dict(make())
    assert again.content() == Evidence.from_state_dict(raw(written())).content()


def test_texts_of_the_evidence_cannot_steer_a_terminal(tmp_path: Path) -> None:
    evil = "\x1b[2J\x1b]0;owned\x07 all is well\r\n::error::"
    finding = {**sample()["earlier"][0], "message": evil, "fixes": [{"code": evil, "library": "any"}]}
    finding["site"] = {**finding["site"], "name": evil}
    state = changed("earlier", [finding])
    torch.save({"model": {"a": torch.rand(3)}, "spikecheck": state}, tmp_path / "ck.pt")
    report = diagnose_file(tmp_path / "ck.pt", settings=Settings())
    assert "all is well" in report.to_json()
    shown = str(report)
    assert not any(mark in shown for mark in "\x1b\x07\r")
    assert all("::error::" not in line[:9] for line in shown.splitlines())


def test_a_newer_version_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(EvidenceError, match="version 2, and this spikecheck reads version 1: update spikecheck"):
        Evidence.from_state_dict(raw("{}", 2))


def test_evidence_is_small_beside_a_network() -> None:
    """It does not grow with the run, and its pictures are an excerpt."""
    short, long = (len(watched(ByHand(), updates=n).state_dict()["content"]) for n in (40, 160))
    assert long < 1.3 * short
    assert batch()[0].shape[0] == STEPS
