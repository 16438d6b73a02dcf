"""Evidence that this version wrote is read by every later one, and says the same."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from spikecheck.checkpoint import diagnose_file
from spikecheck.evidence.evidence import Evidence, kinds_of_readings
from spikecheck.evidence.plain import required_fields
from spikecheck.settings import Settings
from tests.unit.evidence.record_golden import GOLDEN, PARTS, findings

EXPECTED = [["SPK206", "lif"]]


@cache
def golden() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(GOLDEN.read_text(encoding="utf-8"))
    return content


def test_the_golden_evidence_gives_the_findings_that_it_gave() -> None:
    evidence = Evidence.from_state_dict(golden()["evidence"])
    assert findings(evidence) == golden()["findings"]
    assert all(finding in golden()["findings"] for finding in EXPECTED)
    assert evidence.ledger.records


def test_a_checkpoint_with_the_golden_evidence_is_judged(tmp_path: Path) -> None:
    torch.save({"model": {"fc1.weight": torch.rand(8, 16)}, "spikecheck": golden()["evidence"]}, tmp_path / "ck.pt")
    report = diagnose_file(tmp_path / "ck.pt", settings=Settings())
    assert golden()["findings"] == sorted([f.check, f.site.name] for f in report.findings)
    assert report.updates == 6


@pytest.mark.parametrize("kind", [*kinds_of_readings(), *PARTS], ids=lambda kind: kind.__name__)
def test_a_new_field_has_a_default(kind: type[Any]) -> None:
    """A new field without a default would make the evidence in all checkpoints unreadable."""
    recorded = golden()["required"].get(kind.__name__)
    if recorded is not None:  # a part that is new as a whole is in no older evidence
        new = sorted(required_fields(kind) - set(recorded))
        assert not new, f"give {new} of {kind.__name__} a default: evidence in users' checkpoints lacks them"
