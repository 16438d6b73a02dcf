"""The example's ten lines pass on its network, and find each of the notes' bugs when it is put in."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

import pytest
import torch

import spikecheck as sc
from tests.full import every_time
from tests.house.tree import ROOT
from tests.plugin.conftest import Runs

EXAMPLE = ROOT / "examples" / "small_snn"


@dataclass(frozen=True)
class Bug:
    """A mistake as a change of `network.py`, and an assertion of the suite that must notice it."""

    old: str
    new: str
    found_by: Callable[..., None]
    says: str
    and_: str = ""  # a second change
    then: str = ""


NAIVE = "-(logits.exp() / logits.exp().sum(-1, keepdim=True)).log()[range(len(labels)), labels].mean()"
BUGS = {
    "counts as input": Bug(
        "return (counts > 0).float()", "return counts", sc.assert_binary_input, "input is not binary"
    ),
    "several spikes per step": Bug(
        "return (over > 0).float()", "return (over / 0.5 + 1).floor().clamp(min=0)", sc.assert_spikes_binary, "lif1"
    ),
    "a threshold of 100": Bug("threshold=0.5", "threshold=100.0", sc.assert_no_dead_layers, "no spikes in"),
    "a threshold far too low": Bug("threshold=0.5", "threshold=0.001", sc.assert_healthy, "SPK20[46]"),
    "weights from N(0, 1)": Bug(
        "self.readout = nn.Linear(HIDDEN, CLASSES)",
        "self.readout = nn.Linear(HIDDEN, CLASSES)\n"
        "        for layer in (self.fc1, self.fc2, self.readout): nn.init.normal_(layer.weight)",
        sc.assert_healthy,
        "SPK406 weight-scale",
    ),
    "counts over 50 steps as logits": Bug(
        "return self.readout(self.lif2(self.fc2(self.lif1(self.fc1(x))))).mean(1)",
        "return Spike.apply(self.readout(self.lif2(self.fc2(self.lif1(self.fc1(x)))))).sum(1)",
        sc.assert_logits_in_range,
        "out of range",
    ),
    "no surrogate gradient": Bug(
        "Spike.apply(potential - self.threshold)",
        "(potential > self.threshold).float()",
        sc.assert_gradients_reach_every_parameter,
        "fc1.weight(?s:.*)surrogate gradient",
    ),
    "state kept from batch to batch": Bug(
        "potential = torch.zeros_like(current[:, 0])",
        "potential = self.__dict__.setdefault('kept', torch.zeros_like(current[:, 0])).detach()",
        sc.assert_state_resets,
        "different output the second time",
        and_="potential = potential - self.threshold * spikes[-1].detach()",
        then="potential = potential - self.threshold * spikes[-1].detach()\n            self.kept = potential",
    ),
    "softmax before cross-entropy": Bug(
        "F.cross_entropy(logits, labels)",
        "F.cross_entropy(logits.softmax(-1), labels)",
        sc.assert_learns_one_batch,
        "does not learn one batch",
    ),
    "a softmax by hand, on large logits": Bug(
        "return F.cross_entropy(logits, labels)",
        f"logits = 1000 * logits\n    return {NAIVE}",
        sc.assert_learns_one_batch,
        "not finite",
    ),
    "each step divided by its spikes": Bug(
        "self.fc1(x)",
        "self.fc1(x * (x.sum(2, keepdim=True) > 4) / (x * (x.sum(2, keepdim=True) > 4)).sum(2, keepdim=True))",
        sc.assert_healthy,
        "SPK405",
    ),
    "time and batch mixed up": Bug(
        "potential = torch.zeros_like(current[:, 0])",
        "current = current.transpose(0, 1)\n        potential = torch.zeros_like(current[:, 0])",
        sc.assert_batch_independent,
        "the batch axis is used as the time axis",
        and_="return torch.stack(spikes, 1)",
        then="return torch.stack(spikes, 0)",
    ),
    "a time step that sees the future": Bug(
        "self.fc1(x)", "self.fc1(x.flip(1))", sc.assert_causal_in_time, "later time steps"
    ),
}


def suite(source: str) -> list[tuple[Callable[..., None], Callable[[], None]]]:
    """Every assertion of the example's suite, and its call, with `network.py` of this text."""
    torch.set_num_threads(1)
    network = ModuleType("network")
    exec(compile(source, str(EXAMPLE / "network.py"), "exec"), network.__dict__)
    tests = ModuleType("test_health")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "network", network)
        exec(
            compile((EXAMPLE / "test_health.py").read_text(encoding="utf-8"), "test_health.py", "exec"), tests.__dict__
        )
    calls = []
    for name, test in vars(tests).items():
        if name.startswith("test_"):
            checks = test.pytestmark[0].args[1]
            calls += [(check, lambda test=test, check=check: test(check)) for check in checks]
    return calls


def source_with(bug: Bug | None) -> str:
    source = (EXAMPLE / "network.py").read_text(encoding="utf-8")
    if bug is None:
        return source
    assert bug.old in source
    assert bug.and_ in source
    changed = source.replace(bug.old, bug.new)
    return changed.replace(bug.and_, bug.then) if bug.and_ else changed


@pytest.mark.parametrize("seed", range(2))
def test_the_healthy_network_passes(seed: int) -> None:
    for _check, call in suite(source_with(None)):
        torch.manual_seed(seed)
        call()


@pytest.mark.parametrize("name", every_time(BUGS, always=list(BUGS)[::3]))
def test_the_suite_finds_the_bug(name: str) -> None:
    bug = BUGS[name]
    call = dict(suite(source_with(bug)))[bug.found_by]
    torch.manual_seed(0)
    with pytest.raises(sc.UnhealthyError, match=bug.says):
        call()


def test_the_suite_has_ten_lines() -> None:
    lines = (EXAMPLE / "test_health.py").read_text(encoding="utf-8").splitlines()
    assert len([line for line in lines if line.strip() and not line.startswith(("import", "from"))]) <= 10


@pytest.mark.slow
def test_the_example_runs_as_its_readme_says(runs: Runs) -> None:
    shutil.copytree(EXAMPLE, runs.path, dirs_exist_ok=True)
    runs().assert_outcomes(passed=11)
    (runs.path / "network.py").write_text(source_with(BUGS["a threshold of 100"]), encoding="utf-8")
    result = runs()
    assert result.parseoutcomes()["failed"] >= 3
    result.stdout.fnmatch_lines(["*= spikecheck =*", "*SPK20*reports/test_health*.html"])
