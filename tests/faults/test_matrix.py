"""Each fault of the package, injected into the reference script: its check is a root cause after a short run."""

from __future__ import annotations

import pytest
import torch

import spikecheck
from spikecheck import faults
from spikecheck.reference.frames import Examples, examples
from spikecheck.reference.shd import open_digits
from spikecheck.reference.train import RECIPE, Plan, Run
from tests.full import every_time

DIARY = ("count-input", "multi-spike", "threshold-high", "no-surrogate")
UPDATES = 40  # two epochs of the packaged set


@pytest.fixture(scope="module")
def digits():
    """The packaged words, opened once; frames depend on the fault."""
    return open_digits(None, train=True), open_digits(None, train=False)


def trained(digits, *names: str) -> spikecheck.Report:
    """Return the report on a run of UPDATES updates with these faults."""
    recipe = faults.inject(RECIPE, names)
    train, test = (examples(part, recipe.frames) for part in digits)
    run = Run(
        Plan(epochs=UPDATES // 20, seed=0, faults=names), recipe, train, Examples(test.frames[:32], test.labels[:32])
    )
    with spikecheck.attach(run.model, on_finding=lambda finding: None) as monitor:
        for _ in run.epochs():
            pass
    return monitor.report()


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_the_healthy_script_gets_no_warning(digits) -> None:
    report = trained(digits)
    assert report.ok, str(report)
    assert report.layers


@pytest.mark.slow
@pytest.mark.parametrize("name", every_time(faults.names(), always=DIARY))
def test_a_fault_is_a_root_cause(name: str, digits) -> None:
    report = trained(digits, name)
    causes = {cause.finding.check for cause in report.root_causes}
    assert set(faults.load(name).causes) <= causes, str(report)


@pytest.mark.slow
def test_two_faults_at_once_are_both_found(digits) -> None:
    report = trained(digits, "double-softmax", "no-surrogate")
    assert {"SPK305", "SPK401"} <= {cause.finding.check for cause in report.root_causes}, str(report)
