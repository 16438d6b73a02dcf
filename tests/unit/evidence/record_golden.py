"""Record the golden evidence of this version: `python -m tests.unit.evidence.record_golden`.

Run it when the version of the evidence rises, and before a release; between two releases the file stays as it is, so
that the test that reads it holds what users have in their checkpoints.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

import spikecheck
from spikecheck.evidence.evidence import VERSION, Evidence, kinds_of_readings, picture_readings
from spikecheck.evidence.plain import required_fields
from spikecheck.finding import Fix, Unseen
from spikecheck.settings import Settings
from spikecheck.site import Moment, Site
from tests.promises.networks import ByHand, Run

GOLDEN = Path(__file__).parent / "golden" / f"version-{VERSION}.json"
#: Everything beside the readings that evidence consists of.
PARTS = (Site, Moment, Fix, Unseen)


def required() -> dict[str, list[str]]:
    """Return the fields without a default of every part of the evidence, by the name of the part."""
    return {kind.__name__: sorted(required_fields(kind)) for kind in (*kinds_of_readings(), *PARTS)}


def findings(evidence: Evidence) -> list[list[str]]:
    """Return the check and the site of every finding."""
    report = evidence.report(evidence.judge(Settings()))
    return sorted([finding.check, finding.site.name] for finding in report.findings)


def watched() -> Evidence:
    """Return the evidence of a small network whose input current is far too large."""
    torch.manual_seed(0)
    model = ByHand()
    with torch.no_grad():
        model.fc1.weight *= 300
    with spikecheck.attach(model, on_finding=lambda finding: None) as monitor:
        Run(model).train(6)
    return monitor.evidence()


def record() -> dict[str, Any]:
    """Return the content of the golden file; without the pictures, which are most of the evidence."""
    evidence = watched()
    state = {**evidence.state_dict(), "content": json.dumps(evidence.content(without=picture_readings()))}
    return {"evidence": state, "findings": findings(Evidence.from_state_dict(state)), "required": required()}


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(record(), indent=1) + "\n", encoding="utf-8")
