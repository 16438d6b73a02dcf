"""The code of a fix, taken from what is printed: the same at every width, in reports and in warnings."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn

import spikecheck
from spikecheck.checks.discovery import own_checks
from spikecheck.checks.fixes import for_run, for_site
from spikecheck.diagnosis import Cause
from spikecheck.finding import Expected, Finding, Fix, Observed, Outcome, Severity, Verdict
from spikecheck.report.model import Report
from spikecheck.report.terminal import plain_text
from spikecheck.report.wording import warning_text
from spikecheck.site import Site, SiteKind
from tests.promises.networks import batch, by_hand
from tests.unit.checks.build import run

WIDTHS = (60, 80, 120)
COLUMN = 13  # where code begins
SITE = Site(SiteKind.SPIKES, "encoder.blocks.3.fusion.lif", 1, path='net.encoder.blocks["third block"].fusion.lif')
EVERY = [
    pytest.param(fix.code, id=f"{id_}-{library}")
    for id_, check in own_checks().items()
    for library, code in check.fix_by_library().items()
    for fix in for_run(for_site(code, SITE, library), SITE, run(variable="net"))
]


def finding(code: str) -> Finding:
    return Finding(
        "SPK203",
        "dead-layer",
        Severity.ERROR,
        SITE,
        "lif is silent",
        Observed("a"),
        Expected("b"),
        fixes=(Fix(code),),
    )


def printed(report: str) -> str:
    """The code of the first fix in a printed report: as far as lines are indented to its column."""
    lines = iter(report.splitlines())
    first = next(line for line in lines if line.startswith("   fix "))
    code = [first[COLUMN:]]
    for line in lines:
        if line.strip() and not line.startswith(" " * COLUMN):
            break
        code.append(line[COLUMN:])
    return "\n".join(code).rstrip()


@pytest.mark.parametrize("code", EVERY)
def test_what_is_printed_is_the_code(code: str) -> None:
    report = Report.of([Verdict("SPK203", "dead-layer", Outcome.FINDINGS, (finding(code),))])
    for width in WIDTHS:
        assert printed(plain_text(report, width)) == code
    assert warning_text(Cause(finding(code))).partition("\n  fix:\n")[2] == code
    compile(code, "<fix>", "exec")


def test_the_fix_of_a_run_can_be_pasted_from_a_warning_and_from_the_report() -> None:
    net = by_hand()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(0.001)
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)
    with warnings.catch_warnings(record=True) as caught, spikecheck.attach(net) as monitor:
        warnings.simplefilter("always")
        for _ in range(14):
            x, y = batch()
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x), y).backward()
            optimizer.step()
    codes = [str(one.message).partition("\n  fix:\n")[2] for one in caught if "SPK" in str(one.message)]
    codes += [printed(plain_text(monitor.report(), width)) for width in WIDTHS]
    assert len(codes) > len(WIDTHS)
    assert len(set(codes)) == 1
    before = [parameter.detach().clone() for parameter in net.parameters()]
    exec(compile(codes[0], "<fix>", "exec"), {"net": net, "torch": torch})
    changed = [not torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True)]
    assert any(changed)
