"""The JSON of real reports fits the schema that is published, and nothing but what the schema says is in it."""

from __future__ import annotations

import copy
import json
import math
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import torch

import spikecheck
from spikecheck.cli import main
from spikecheck.report import json as json_view
from spikecheck.report import model
from tests.house.tree import ROOT
from tests.promises.networks import ByHand
from tests.promises.test_evidence import RUNS, Scaled, watched
from tests.unit.report.reports import REPORTS

SCHEMA = json.loads((files("spikecheck.report") / "schema-1.json").read_text(encoding="utf-8"))
WHOLE = jsonschema.Draft202012Validator(SCHEMA)
REPORT = jsonschema.Draft202012Validator({"$ref": "#/$defs/report", "$defs": SCHEMA["$defs"]})


class Carried:
    """A class of the user's own, which a pickle names and nobody loads."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of many kinds, and a module with their model."""
    folder = tmp_path_factory.mktemp("many")
    net = ByHand()
    weights = net.state_dict()
    sick = {k: torch.full_like(v, math.nan) if k.endswith("bias") else v for k, v in weights.items()}
    optimizer = torch.optim.Adam(net.parameters())
    contents: dict[str, Any] = {
        "healthy": weights,
        "sick": sick,
        "trained": {"model": weights, "optimizer": optimizer.state_dict(), "epoch": 3, "of": Carried()},
        "other": {"a": torch.rand(3), "lif1.threshold": torch.tensor(-1.0)},
        "refused": {"model": weights, "spikecheck": {"format": "spikecheck evidence", "version": 99}},
    }
    for name, monitor in {"silent": watched(Scaled(0.0)), "driven": watched(Scaled(1e3))}.items():
        spikecheck.save_evidence(content := {"model": weights}, monitor)
        contents[name] = content
    for name, content in contents.items():
        torch.save(content, folder / f"{name}.pt")
    (folder / "none.pt").write_text("hello", encoding="utf-8")
    (folder / "spk_many.py").write_text("from tests.promises.networks import ByHand as Net\n", encoding="utf-8")
    return folder


ASKED = {
    "all kinds": (["*.pt"], 2),
    "one that is healthy": (["healthy.pt"], 0),
    "two side by side": (["sick.pt", "other.pt", "--against", "healthy.pt"], 1),
    "the other cannot be read": (["healthy.pt", "--against", "none.pt"], 2),
    "in its model": (["healthy.pt", "--model", "spk_many:Net"], 0),
    "in a model that it does not fit": (["other.pt", "--model", "spk_many:Net"], 1),
    "in a model that takes no such batch": (["healthy.pt", "--model", "spk_many:Net", "--data", "batch.pth"], 2),
}


@pytest.fixture(scope="module", params=ASKED.values(), ids=ASKED)
def record(request: pytest.FixtureRequest, folder: Path) -> Any:
    """What the command writes."""
    args, code = request.param
    torch.save(torch.rand(4, 3, 99), folder / "batch.pth")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(str(folder))
        assert main(["diagnose", *args, "--json", "told.json", "-q"]) == code
    return json.loads((folder / "told.json").read_text(encoding="utf-8"))


def objects(value: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object whose fields the schema names."""
    if isinstance(value, dict):
        yield path, value
        for name, part in value.items():
            if name != "numbers":
                yield from objects(part, f"{path}/{name}")
    if isinstance(value, list):
        for part in value:
            yield from objects(part, f"{path}/-")


def assert_nothing_less_and_nothing_more(record: Any, schema: jsonschema.Draft202012Validator) -> set[str]:
    """A field that is missing or unknown fails, in every kind of object; their kinds."""
    schema.validate(record)
    kinds = {}
    for path, _ in objects(record):
        kinds.setdefault(path, None)
    for kind in kinds:
        changed = copy.deepcopy(record)
        one = next(findings for path, findings in objects(changed) if path == kind)
        one["strange"] = 1
        assert not schema.is_valid(changed), f"an unknown field of {kind}"
        del one["strange"]
        for name in list(one):
            stored = one.pop(name)
            assert not schema.is_valid(changed), f"{name} of {kind} is missing"
            one[name] = stored
        assert schema.is_valid(changed)
    return set(kinds)


def test_the_schema_is_one_and_describes_every_field() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["properties"]["schema"]["const"] == json_view.SCHEMA
    assert SCHEMA["$defs"]["report"]["properties"]["schema"]["const"] == model.SCHEMA
    for _, part in objects(SCHEMA):
        for name, field in part.get("properties", {}).items():
            assert field.get("description") or name in ("code", "library"), name


def test_what_diagnose_writes_fits(record: Any) -> None:
    assert_nothing_less_and_nothing_more(record, WHOLE)


@pytest.mark.parametrize("made", RUNS.values(), ids=RUNS)
def test_what_a_monitor_reports_fits(made: Any) -> None:
    monitor = made()
    assert_nothing_less_and_nothing_more(json.loads(monitor.report().to_json()), REPORT)
    monitor.detach()


@pytest.mark.parametrize("make", REPORTS.values(), ids=REPORTS)
def test_a_report_with_every_part_fits(make: Any) -> None:
    kinds = assert_nothing_less_and_nothing_more(json.loads(make().to_json()), REPORT)
    if make.__name__ == "broken":
        assert {"", "/root_causes/-", "/root_causes/-/consequences/-/observed", "/notes/-", "/layers/-"} <= kinds


def test_the_code_of_the_page_validates(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(folder)
    main(["diagnose", "healthy.pt", "--json", "findings.json", "-q"])
    exec(code, {})
    (folder / "findings.json").write_text('{"schema": 2}', encoding="utf-8")
    with pytest.raises(jsonschema.ValidationError):
        exec(code, {})


def test_every_kind_of_error_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What exits with 2 has an error in the JSON too, be it read or not."""
    monkeypatch.chdir(folder)
    assert main(["diagnose", "none.pt", "refused.pt", "healthy.pt", "--json", "told.json", "-q"]) == 2
    none, refused, healthy = json.loads((folder / "told.json").read_text(encoding="utf-8"))["files"]
    assert (none["report"], healthy["error"]) == (None, None)
    assert "version 99" in refused["error"]
    assert refused["report"]["ok"]
    assert "first bytes" in none["error"]


def test_what_was_read_from_a_file_has_no_date(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    main(["diagnose", "sick.pt", "--json", "told.json", "-q"])
    (file,) = json.loads((folder / "told.json").read_text(encoding="utf-8"))["files"]
    assert {cause["update"] for cause in file["report"]["root_causes"]} == {None}
    causes = watched(Scaled(1e3)).report().to_dict()["root_causes"]
    assert all(isinstance(cause["update"], int) for cause in causes)
    assert causes
