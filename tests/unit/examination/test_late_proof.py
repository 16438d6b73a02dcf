"""Trials are not ended too early: where an advantage comes late, or the loss of the untreated copy is another one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from torch import Tensor
from torch.nn import functional as F

from spikecheck.examination.healing import Healer
from spikecheck.examination.proof import claims
from spikecheck.examination.subject import Evaluation, Subject
from spikecheck.examination.treatments.base import Treatment, treatment
from spikecheck.examination.trial import LASTING, UPDATES, Outcome, Trial, always, run_trial
from tests.unit.examination.subjects import CLASSES, subject
from tests.unit.examination.test_healing import cause
from tests.unit.examination.test_treatments import with_step

SAMPLES = 200


class Scripted(Healer):
    """A search whose trials are not made: so many of 200 samples are right after 40, 80 and 160 updates."""

    right: Sequence[int] = ()
    without: Sequence[int] = (100, 120, 130)

    def run(self, chosen: Sequence[Treatment], **options: Any) -> Trial:
        updates = options.get("updates", UPDATES)
        first, second = (self.right if chosen else self.without)[updates // UPDATES - 1 :][:2]
        trial = Trial((), Outcome.TRAINED, losses=(1.0,) * updates, evaluation=evaluation(first), updates=updates)
        if not options.get("lasts", always)(trial):
            return trial
        return replace(trial, losses=LASTING * trial.losses, lasting=evaluation(second))


def evaluation(right: int) -> Evaluation:
    return Evaluation((), tuple(sample < right for sample in range(SAMPLES)), 0.3)


@pytest.mark.parametrize(
    ("check", "right", "proved", "updates"),
    [
        pytest.param("SPK413", (105, 190, 200), True, LASTING * UPDATES, id="it comes late"),
        pytest.param("SPK413", (150, 190, 200), True, UPDATES, id="it comes at once"),
        pytest.param("SPK413", (105, 122, 200), False, UPDATES, id="too late to be told from chance"),
        pytest.param("SPK413", (105, 190, 130), False, LASTING * UPDATES, id="it does not last"),
        pytest.param("SPK413", (99, 190, 200), False, UPDATES, id="it was behind"),
        pytest.param("SPK412", (105, 190, 200), False, UPDATES, id="no root cause names it"),
    ],
)
def test_the_three_claims_are_tested_later(check, right, proved, updates) -> None:
    healer = Scripted(subject(), (cause(check),), (), math.inf)
    healer.right = right
    tried = healer.attempt((treatment("gradients zeroed before each step"),), healer.run(()))
    assert tried.proved is proved
    assert tried.trial.updates == updates


def test_a_network_with_little_to_gain_is_not_trained_for_longer() -> None:
    healer = Scripted(subject(), (cause("SPK413"),), (), math.inf)
    healer.right, healer.without = (185, 200, 200), (180, 190, 190)
    tried = healer.attempt((treatment("gradients zeroed before each step"),), healer.run(()))
    assert tried.trial.lasting is None


@pytest.mark.parametrize(("without", "proved"), [((100, 40, 40), True), ((100, 100, 100), False)])
def test_a_network_that_goes_wrong_late_is_compared_with_its_end(without: tuple[int, ...], proved: bool) -> None:
    healer = Scripted(subject(), (cause("SPK407"),), (), math.inf)
    healer.right, healer.without = (100, 190, 200), without
    assert healer.attempt((treatment("constant learning rate"),), healer.run(())).proved is proved


def test_late_and_early_proofs_are_compared_after_the_same_updates() -> None:
    healer = Scripted(subject(), (cause("SPK413"),), (), math.inf)
    healer.right = (105, 190, 200)
    late = healer.attempt((treatment("gradients zeroed before each step"),), healer.run(()))
    healer.right = (150, 195, 195)
    early = healer.attempt((treatment("plain training loop"),), healer.run(()))
    assert healer.better(early, late) is early
    text = healer.result(healer.run(()), late, 1.0).text
    assert text == "gradients zeroed before each step: held-out accuracy 100% after 160 updates, 65% without it"


def test_a_plain_loop_is_not_stopped_where_the_step_of_the_user_has_a_lower_loss() -> None:
    def taught(own: Subject, x: Tensor, y: Tensor) -> Tensor:
        own.optimizer.zero_grad()
        loss = F.cross_entropy(own.model(x) + 20.0 * F.one_hot(y, CLASSES), y)
        loss.backward()
        own.optimizer.step()
        return loss

    own = with_step(subject(), taught)
    untreated = run_trial(own)
    plain = run_trial(own, [treatment("plain training loop")], untreated=untreated)
    assert plain.last_loss > untreated.last_loss
    assert claims(plain, untreated, 1).holds
