"""What differs between two runs: where, from which update on, and in which order."""

from __future__ import annotations

import copy
import json
import random
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import spikecheck
from spikecheck.cli import main
from spikecheck.cli.compare import command
from spikecheck.errors import SpikecheckError
from spikecheck.report.comparison import START, Comparison, compare
from spikecheck.runlog.stored_report import compare_files
from tests.promises.networks import Run, by_hand

UPDATES = 60


def course(seed: int, **changes: Any) -> dict[str, Any]:
    """A made-up report of a run that learns, with noise, in intervals of one update."""
    noise = random.Random(seed)

    def points(name: str, value: Any, width: int = 1) -> list[dict[str, Any]]:
        change = changes.get(name, lambda update, value: value)
        made = []
        for at in range(0, UPDATES, width):
            number = change(at, value(at) * (1 + noise.gauss(0, 0.03)))
            made.append({"update": at, "last_update": at + width - 1, "passes": width, name: number})
        return made

    width = changes.get("width", 1)
    optimizer = [
        {**gradient, **rate, "update_size": 0.01}
        for gradient, rate in zip(
            points("gradient_norm", lambda at: 2 / (1 + at / 20), width),
            points("learning_rate", lambda at: 0.001, width),
            strict=True,
        )
    ]
    layer = {"name": "lif1", "threshold": 1.0, "neurons": 64, "time_steps": {"fewest": 10, "most": 10}}
    return {
        "updates": UPDATES,
        "root_causes": changes.get("root_causes", []),
        "notes": [],
        "layers": [{**layer, **changes.get("layer", {}), "timeline": points("rate", lambda at: 0.1, width)}],
        "losses": [
            {
                "name": "loss",
                "function": "cross_entropy",
                "classes": 4,
                "timeline": points("loss", lambda at: 2 / (1 + at / 10), width),
            }
        ],
        "optimizers": [{"name": "Adam", "timeline": optimizer}],
        "weights": [{"name": "fc1.weight", "elements": 640, "initial": 0.58, "scale": 0.7}],
    }


def compared(**changes: Any) -> Comparison:
    return compare(course(0), course(1, **changes))


@pytest.mark.parametrize("seed", range(1, 9))
def test_runs_with_other_seeds_do_not_differ(seed: int) -> None:
    assert compare(course(0), course(seed)).same
    assert compare(course(0), course(seed, width=4)).same


def test_a_layer_that_falls_silent_is_dated() -> None:
    comparison = compared(rate=lambda at, value: 0.0 if at >= 20 else value)
    (difference,) = comparison.differences
    assert (difference.place, difference.quantity) == ("lif1", "firing rate")
    assert (difference.update, difference.after) == (20, 0)
    assert difference.factor == "to 0"
    assert comparison.earliest is comparison.largest is difference
    assert "earliest  lif1 firing rate: 0.0991 → 0, from" in str(comparison)


def test_the_learning_rate_comes_before_what_follows_from_it() -> None:
    comparison = compared(
        learning_rate=lambda at, value: value * (10 if at >= 30 else 1),
        gradient_norm=lambda at, value: value * (40 if at >= 30 else 1),
        loss=lambda at, value: value * (3 if at >= 40 else 1),
    )
    assert [(one.quantity, one.update) for one in comparison.differences] == [
        ("learning rate", 30),
        ("gradient norm", 30),
        ("loss", 40),
    ]
    assert comparison.largest is comparison.differences[1]
    assert comparison.differences[2].factor.startswith("x3")


def test_what_differs_from_the_start_comes_first() -> None:
    comparison = compared(layer={"threshold": 8.0, "time_steps": {"fewest": 4, "most": 5}}, rate=lambda at, value: 0.01)
    assert [(one.quantity, one.update) for one in comparison.differences] == [
        ("threshold", START),
        ("time steps", START),
        ("firing rate", 0),
    ]
    assert [str(one) for one in comparison.differences[:2]] == [
        "lif1 threshold: 1 → 8, before the first update",
        "lif1 time steps: 10 → 4 to 5, before the first update",
    ]


def test_a_layer_that_is_a_line_of_a_script_may_move() -> None:
    runs = [course(0), course(1)]
    for line, run in zip((14, 57), runs, strict=True):
        run["layers"][0]["name"] = f"net.py:{line} spike_fn"
    assert compare(*runs).same


def test_a_difference_that_does_not_last_is_none() -> None:
    assert compared(loss=lambda at, value: value * (5 if 10 <= at < 14 else 1)).same


def test_what_is_not_finite_is_a_difference() -> None:
    (difference,) = compared(loss=lambda at, value: None if at >= 50 else value).differences
    assert (difference.update, difference.after) == (50, "non-finite")


def test_places_and_findings_of_one_run_alone() -> None:
    finding = {"check": "SPK203", "kind": "spikes", "site": "lif1", "severity": "error", "message": "lif1 is silent"}
    one, other = course(0), course(1, root_causes=[{**finding, "update": 20, "consequences": []}])
    other["layers"].append({**copy.deepcopy(other["layers"][0]), "name": "lif2"})
    comparison = compare(one, other, ("good", "bad"))
    assert comparison.only == ("layer lif2 is in bad alone",)
    assert [made["check"] for made in comparison.new_findings] == ["SPK203"]
    assert "SPK203  lif1 is silent (update 20)" in str(comparison)
    assert [made["check"] for made in compare(other, one).missing_findings] == ["SPK203"]


def test_the_files_of_real_runs(tmp_path: Path) -> None:
    reports = []
    for name, threshold in (("good", 0.3), ("bad", 50.0)):
        run = Run(by_hand())
        run.model.lif.threshold = threshold  # type: ignore[assignment, union-attr]
        with spikecheck.attach(run.model, log=tmp_path / f"{name}.jsonl", on_finding=lambda finding: None) as monitor:
            run.train(12)
        reports.append(monitor.report())
        (tmp_path / f"{name}.json").write_text(reports[-1].to_json())
    direct = reports[0].compare(reports[1])
    assert ("lif", "firing rate", 0) in {(one.place, one.quantity, one.update) for one in direct.differences}
    files = [[str(tmp_path / f"{name}.{kind}") for name in ("good", "bad")] for kind in ("json", "jsonl")]
    for pair in files:
        shown = CliRunner().invoke(command, [*pair, "--json", str(tmp_path / "c.json")], standalone_mode=False)
        assert shown.return_value == 1
        assert "lif firing rate" in shown.output
        made = json.loads((tmp_path / "c.json").read_text())
        assert len(made["differences"]) == len(direct.differences)
    assert CliRunner().invoke(command, [files[0][0], files[1][0]], standalone_mode=False).return_value == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "holds no report"),
        ('{"schema": 1}', "a part of a report is missing"),
        ('{"schema": 99, "report": 1}', "version 99"),
        ('{"schema": 1, "updates": 1, "root_causes": 3}', "has another form"),
        ('{"files": [{"report": null}]}', "holds no report"),
    ],
)
def test_what_is_no_report_is_an_error_of_one_line(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(SpikecheckError, match=message):
        compare_files(str(tmp_path / "a.json"), str(tmp_path / "a.json"))
    assert main(["compare", str(tmp_path / "a.json"), str(tmp_path / "nowhere")]) == 2
