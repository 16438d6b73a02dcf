"""Evidence comes back from a file as it went in, and no change of it is followed by a traceback."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import spikecheck
from spikecheck import plugin
from spikecheck.checkpoint.stored_run import refusal, with_run
from spikecheck.checks.discovery import discover, known_causes
from spikecheck.evidence.evidence import FORMAT, VERSION, Evidence, kinds_of_readings
from spikecheck.evidence.findings import plain_finding, rebuild_finding
from spikecheck.evidence.plain import LARGEST, plain, rebuild
from spikecheck.finding import Expected, Finding, Fix, Observed, Severity
from spikecheck.report.model import Report
from spikecheck.settings import Settings
from spikecheck.site import Moment, Site
from spikecheck.stats.base import statistics
from tests.promises.networks import ByHand, Run

COUNTS = st.integers(min_value=1 - LARGEST, max_value=LARGEST - 1)
FLOATS = st.floats(allow_nan=False) | st.integers(-1000, 1000).map(float)  # nan is unlike itself: see the promise
SIMPLE = {int: COUNTS, float: FLOATS, bool: st.booleans(), str: st.text(max_size=20)}


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a type, by its own words."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return st.one_of(*(st.none() if one is NoneType else values(one) for one in inner))
    if origin is tuple and inner[-1] is ...:
        return st.lists(values(inner[0]), max_size=4).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values, inner))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return st.sampled_from(list(kind))
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        asked = {f.name: values(hints[f.name]) for f in fields(kind) if f.default is MISSING}
        free = {f.name: values(hints[f.name]) for f in fields(kind) if f.default is not MISSING}
        return st.fixed_dictionaries(asked, optional=free).map(lambda values: kind(**values))
    return SIMPLE[kind]


def through_json(value: Any) -> Any:
    return json.loads(json.dumps(plain(value)))


def of_files(reading: type) -> bool:
    """Return whether a reading is made of a file each time, and never kept."""
    return reading.__module__ == "spikecheck.stored"


def test_every_reading_of_every_statistic_can_be_kept() -> None:
    public = {thing for name, thing in vars(plugin).items() if name.endswith("Reading") and not of_files(thing)}
    assert {statistic.reading for statistic in statistics()} | public <= set(kinds_of_readings())


@pytest.mark.parametrize("kind", [*kinds_of_readings(), Site], ids=lambda kind: kind.__name__)
@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_a_reading_comes_back_as_it_was(kind: type[Any], data: st.DataObject) -> None:
    reading = data.draw(values(kind))
    assert rebuild(kind, through_json(reading), str, "here") == reading


NUMBERS = st.dictionaries(
    st.text("abc", min_size=1), st.none() | COUNTS | FLOATS | st.booleans() | st.text(), max_size=3
)


@given(
    check=st.sampled_from(sorted(discover())),
    site=values(Site),
    severity=st.sampled_from(Severity),
    texts=st.tuples(*[st.text(st.characters(exclude_characters="{}"))] * 4),
    numbers=NUMBERS,
    moment=values(Moment),
    weight=FLOATS,
    ranks_first=st.booleans(),
)
@settings(max_examples=100, deadline=None)
def test_a_finding_comes_back_as_it_was(
    check: str,
    site: Site,
    severity: Severity,
    texts: tuple[str, str, str, str],
    numbers: dict[str, Any],
    moment: Moment,
    weight: float,
    ranks_first: bool,
) -> None:
    known = discover()[check]()
    message, observed, because, code = texts
    finding = Finding(
        check,
        known.slug,
        severity,
        site,
        message,
        Observed(observed, **numbers),
        Expected("as it is", because=because),
        (Fix(code, "any"),),
        moment,
        known_causes()[check],
        weight,
        ranks_first=ranks_first,
    )
    again = rebuild_finding(known, json.loads(json.dumps(plain_finding(finding))), str)
    assert again == finding
    assert dict(again.observed.numbers) == dict(finding.observed.numbers)
    assert again.expected.because == finding.expected.because


@cache
def written() -> str:
    """The evidence of a run that found something on its way."""
    torch.manual_seed(0)
    model = ByHand()
    with torch.no_grad():
        model.fc1.weight *= 300
    with spikecheck.attach(model, on_finding=lambda finding: None) as monitor:
        Run(model).train(3)
    content: str = monitor.state_dict()["content"]
    return content


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of everything in it."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(leaf for key, part in inner for leaf in leaves(part, (*path, key)))]


PATHS = [path for path in leaves(json.loads(written())) if path]
STRANGE = st.sampled_from(
    [None, True, 0, -1, 1, 2**62, 2**70, 0.5, -1.0, 1e308, 5e-324, float("nan"), float("inf"), "", "x", [], {}, [[]]]
)


@given(changes=st.lists(st.tuples(st.sampled_from(PATHS), STRANGE), min_size=1, max_size=4))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_changed_evidence_is_judged_or_refused(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    content: Any = json.loads(written())
    for path, value in changes:
        part = content
        for key in path[:-1]:
            inside = isinstance(part, dict) and key in part
            inside = inside or (isinstance(part, list) and isinstance(key, int) and key < len(part))
            part = part[key] if inside else {}
        if isinstance(part, dict) or (isinstance(part, list) and isinstance(path[-1], int) and path[-1] < len(part)):
            part[path[-1]] = value
    state = {"format": FORMAT, "version": VERSION, "content": json.dumps(content)}
    report = with_run(Report.of(()), state, Settings(), str, 0)
    assert refusal(report) or report.verdicts
    assert str(report)


def test_evidence_that_is_not_changed_is_judged() -> None:
    state = {"format": FORMAT, "version": VERSION, "content": written()}
    report = with_run(Report.of(()), state, Settings(), str, 0)
    assert not refusal(report)
    assert report.layers
    assert Evidence.from_state_dict(state).ledger.records
