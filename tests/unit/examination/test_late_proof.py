"""Trials are not ended too early: where an advantage comes late, or the loss of the untreated copy is another one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from torch import Tensor
from torch.nn import functional as F

from spikecheck.examination.healing import Healer
from spikecheck.examination.proof import claims, fades
from spikecheck.examination.subject import Evaluation, Subject
from spikecheck.examination.treatments.base import Treatment, treatment
from spikecheck.examination.trial import STAGES, TWICE, UPDATES, Outcome, Trial, always, run_trial, up_to_twice
from tests.unit.examination.subjects import CLASSES, subject
from tests.unit.examination.test_healing import cause
from tests.unit.examination.test_treatments import with_step

SAMPLES = 200


class Scripted(Healer):
    """A search whose trials are not made: so many of 200 samples are right after 40, 80, 160 and 320 updates."""

    right: Sequence[int] = ()
    without: Sequence[int] = (100, 120, 130, 130)

    def run(self, chosen: Sequence[Treatment], **options: Any) -> Trial:
        updates = options.get("updates", UPDATES)
        right = (self.right if chosen else self.without)[updates // UPDATES - 1 :]
        for number, stage in enumerate(STAGES, 1):
            evaluations = tuple(map(evaluation, right[:number]))
            losses = (1.0,) * (stage * updates)
            trial = Trial((), Outcome.TRAINED, losses=losses, evaluations=evaluations, updates=updates)
            if not options.get("goes_on", always)(trial):
                break
        return trial

    def untreated(self) -> Trial:
        return self.run((), goes_on=up_to_twice)


def evaluation(right: int) -> Evaluation:
    return Evaluation((), tuple(sample < right for sample in range(SAMPLES)), 0.3)


@pytest.mark.parametrize(
    ("check", "right", "proved", "updates"),
    [
        pytest.param("SPK413", (105, 190, 200, 200), True, TWICE * UPDATES, id="it comes late"),
        pytest.param("SPK413", (150, 190, 200, 200), True, UPDATES, id="it comes at once"),
        pytest.param("SPK413", (105, 122, 200, 200), False, UPDATES, id="too late to be told from chance"),
        pytest.param("SPK413", (105, 190, 130, 200), False, TWICE * UPDATES, id="it does not last"),
        pytest.param("SPK413", (150, 190, 160, 200), False, UPDATES, id="it fades"),
        pytest.param("SPK413", (190, 170, 175, 200), True, UPDATES, id="it goes up and down"),
        pytest.param("SPK413", (105, 190, 190, 160), False, TWICE * UPDATES, id="it comes late, and fades"),
        pytest.param("SPK413", (99, 190, 200, 200), False, UPDATES, id="it was behind"),
        pytest.param("SPK412", (105, 190, 200, 200), False, UPDATES, id="no root cause names it"),
    ],
)
def test_the_three_claims_are_tested_later(check, right, proved, updates) -> None:
    healer = Scripted(subject(), (cause(check),), (), math.inf)
    healer.right = right
    tried = healer.attempt((treatment("gradients zeroed before each step"),), healer.untreated())
    assert tried.proved is proved
    assert tried.trial.updates == updates


def test_a_network_with_little_to_gain_is_not_trained_for_longer() -> None:
    healer = Scripted(subject(), (cause("SPK413"),), (), math.inf)
    healer.right, healer.without = (185, 200, 200), (180, 190, 190)
    tried = healer.attempt((treatment("gradients zeroed before each step"),), healer.untreated())
    assert len(tried.trial.evaluations) == 1


def test_a_copy_is_trained_four_times_as_long_only_if_it_holds_after_twice_the_updates() -> None:
    healer = Scripted(subject(), (cause("SPK413"),), (), math.inf)
    healer.right = (150, 125, 200)
    tried = healer.attempt((treatment("gradients zeroed before each step"),), healer.untreated())
    assert len(tried.trial.evaluations) == 2


def test_without_time_for_the_last_stage_nothing_is_proved() -> None:
    untreated = Trial((), Outcome.TRAINED, losses=(1.0,) * 80, evaluations=(evaluation(80), evaluation(80)))
    treated = Trial((), Outcome.TRAINED, losses=(1.0,) * 80, evaluations=(evaluation(190), evaluation(195)))
    assert claims(treated, untreated, 1).promising
    assert not claims(treated, untreated, 1).holds


@pytest.mark.parametrize(("last", "fading"), [(0.2, False), (0.35, False), (0.5, True), (math.nan, False)])
def test_where_there_are_no_classes_the_loss_says_what_is_left(last: float, fading: bool) -> None:
    losses = (1.0,) * 40 + (0.2,) * 40 + (last,) * 80
    assert fades(Trial((), Outcome.TRAINED, losses=losses, evaluations=3 * (Evaluation((0.2,)),))) is fading


@pytest.mark.parametrize(("without", "proved"), [((100, 40, 40), True), ((100, 100, 100), False)])
def test_a_network_that_goes_wrong_late_is_compared_with_its_end(without: tuple[int, ...], proved: bool) -> None:
    healer = Scripted(subject(), (cause("SPK407"),), (), math.inf)
    healer.right, healer.without = (100, 190, 200, 200), without
    assert healer.attempt((treatment("constant learning rate"),), healer.untreated()).proved is proved


def test_late_and_early_proofs_are_compared_after_the_same_updates() -> None:
    healer = Scripted(subject(), (cause("SPK413"),), (), math.inf)
    healer.right = (105, 190, 198, 200)
    late = healer.attempt((treatment("gradients zeroed before each step"),), healer.untreated())
    healer.right = (150, 195, 195)
    early = healer.attempt((treatment("plain training loop"),), healer.untreated())
    assert healer.better(early, late) is early
    text = healer.result(healer.untreated(), late, 1.0).text
    assert text == (
        "gradients zeroed before each step: held-out accuracy 99% after 160 updates, 65% without it; 100% after 320"
    )


def test_a_plain_loop_is_not_stopped_where_the_step_of_the_user_has_a_lower_loss() -> None:
    def taught(own: Subject, x: Tensor, y: Tensor) -> Tensor:
        own.optimizer.zero_grad()
        loss = F.cross_entropy(own.model(x) + 20.0 * F.one_hot(y, CLASSES), y)
        loss.backward()
        own.optimizer.step()
        return loss

    own = with_step(subject(), taught)
    untreated = run_trial(own, goes_on=up_to_twice)
    plain = run_trial(own, [treatment("plain training loop")], untreated=untreated)
    assert plain.last_loss > untreated.last_loss
    assert claims(plain, untreated, 1).holds
