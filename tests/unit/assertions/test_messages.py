"""Every assertion passes on a healthy network, fails on its mistake, and says what it saw, where, and what it wanted.

The messages are kept in `golden/`, one file an assertion; `SPIKECHECK_SNAPSHOTS=write pytest tests/unit/assertions`
writes them again, and the difference is to be read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import spikecheck as sc
from spikecheck.assertions import __all__ as ASSERTIONS
from tests.unit.assertions.networks import Net, batch, loss

GOLDEN = Path(__file__).parent / "golden"
Call = Callable[[], None]

#: name: (what passes, what fails)
CALLS: dict[str, tuple[Call, Call]] = {
    "binary": (
        lambda: sc.assert_binary(torch.eye(2)),
        lambda: sc.assert_binary(torch.tensor([[0.0, 1.0], [0.5, 2.0]]), name="frames"),
    ),
    "binary_input": (
        lambda: sc.assert_binary_input(Net(), batch()),
        lambda: sc.assert_binary_input(Net(), batch(counts=True)),
    ),
    "binary_input-empty": (
        lambda: sc.assert_binary_input(Net(), batch()[0]),
        lambda: sc.assert_binary_input(Net(), batch(empty=True)),
    ),
    "spikes_binary": (
        lambda: sc.assert_spikes_binary(Net(), batch()),
        lambda: sc.assert_spikes_binary(Net(many=True, threshold=0.3), batch()),
    ),
    "max_spikes_per_step": (
        lambda: sc.assert_max_spikes_per_step(Net(), batch(), 1),
        lambda: sc.assert_max_spikes_per_step(Net(many=True, threshold=0.3), batch(), 2, layer="lif*"),
    ),
    "firing_rate": (
        lambda: sc.assert_firing_rate(Net(), batch(), 0.05, 0.5),
        lambda: sc.assert_firing_rate(Net(), batch(), 0.8, 0.9, "lif1"),
    ),
    "no_dead_layers": (
        lambda: sc.assert_no_dead_layers(Net(), batch()),
        lambda: sc.assert_no_dead_layers(Net(threshold=100.0), batch()),
    ),
    "logits_in_range": (
        lambda: sc.assert_logits_in_range(Net(), batch()),
        lambda: sc.assert_logits_in_range(Net(gain=1000.0), batch(), loss),
    ),
    "initial_loss_near_chance": (
        lambda: sc.assert_initial_loss_near_chance(Net(), batch(), loss),
        lambda: sc.assert_initial_loss_near_chance(Net(gain=1000.0), batch(), loss),
    ),
    "gradients_reach_every_parameter": (
        lambda: sc.assert_gradients_reach_every_parameter(Net(), batch(), loss),
        lambda: sc.assert_gradients_reach_every_parameter(Net(bare=True), batch(), loss),
    ),
    "gradients_reach_every_parameter-unused": (
        lambda: sc.assert_gradients_reach_every_parameter(Net(unused=True), batch(), loss, layer="fc[12].*"),
        lambda: sc.assert_gradients_reach_every_parameter(Net(unused=True), batch(), loss),
    ),
    "state_resets": (
        lambda: sc.assert_state_resets(Net(), batch()),
        lambda: sc.assert_state_resets(Net(carry=True, threshold=1.6), batch()),
    ),
    "state_resets-smaller": (
        lambda: sc.assert_state_resets(Net(), batch()),
        lambda: sc.assert_state_resets(Net(fixed=4), batch()),
    ),
    "batch_independent": (
        lambda: sc.assert_batch_independent(Net(), batch()),
        lambda: sc.assert_batch_independent(Net(mix=True), batch()),
    ),
    "causal_in_time": (
        lambda: sc.assert_causal_in_time(Net(), batch()),
        lambda: sc.assert_causal_in_time(Net(ahead=True), batch()),
    ),
    "learns_one_batch": (
        lambda: sc.assert_learns_one_batch(Net(), batch(), loss, 60, optimizer=lambda p: torch.optim.Adam(p, lr=0.1)),
        lambda: sc.assert_learns_one_batch(Net(threshold=100.0), batch(), loss, 8),
    ),
    "learns_one_batch-nan": (
        lambda: sc.assert_learns_one_batch(Net(), batch(), loss, 30, max_loss_ratio=0.9),
        lambda: sc.assert_learns_one_batch(Net(), batch(), lambda y, t: loss(y, t) / 0 - loss(y, t) / 0, 8),
    ),
    "healthy": (
        lambda: sc.assert_healthy(Net(), batch(), loss),
        lambda: sc.assert_healthy(Net(threshold=100.0), batch(), loss),
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_it_passes_on_a_healthy_network(name: str) -> None:
    CALLS[name][0]()


@pytest.mark.parametrize("name", CALLS)
def test_it_fails_on_its_mistake_and_says_so_in_these_words(name: str) -> None:
    with pytest.raises(sc.UnhealthyError) as caught:
        CALLS[name][1]()
    message = re.sub(r"(?s)\d+ passed,.*?\n(?=more:)", "N passed, ...\n", str(caught.value))
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("SPIKECHECK_SNAPSHOTS") == "write":
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(f"{message}\n", encoding="utf-8")
    assert golden.read_text(encoding="utf-8") == f"{message}\n"


def test_no_assertion_is_without_such_a_test() -> None:
    tried = {f"assert_{name.partition('-')[0]}" for name in CALLS}
    elsewhere = {"assert_checkpoint_healthy"}  # test_apart.py
    assert {name for name in ASSERTIONS if name.startswith("assert_")} == tried | elsewhere


def test_no_golden_file_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(CALLS)
