"""When a trial of a treatment is ended early, and what an examination says of what is left."""

from __future__ import annotations

import math
import time

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spikecheck.diagnosis import Cause
from spikecheck.examination.candidates import Tried
from spikecheck.examination.healing import Healer, healthy
from spikecheck.examination.proof import Proof
from spikecheck.examination.remaining import what_remains
from spikecheck.examination.subject import Evaluation, Subject
from spikecheck.examination.treatments.base import Patient, Treatment, treatment
from spikecheck.examination.trial import RUNG, UPDATES, Outcome, Trial, run_trial, up_to_twice
from spikecheck.finding import Fix
from spikecheck.report.treated import Verdict
from tests.unit.examination.subjects import Net, batches, subject
from tests.unit.examination.test_healing import SECONDS, cause
from tests.unit.examination.test_treatments import with_step


class Silent(Net):
    """Its logits are 0 until the weights have moved far; its gradients never are."""

    def forward(self, x: Tensor) -> Tensor:
        logits = super().forward(x)
        return logits - logits.detach() + 1000 * (logits.detach() - 2).relu()


class Faster(Treatment):
    """Multiply the learning rate."""

    name = "faster"

    def apply(self, patient: Patient) -> Fix:
        patient.subject.optimizer.param_groups[0]["lr"] *= 1000
        return Fix("pass")


class Nothing(Treatment):
    """Change nothing."""

    name = "nothing"

    def apply(self, patient: Patient) -> Fix:
        return Fix("pass")


class Slower(Treatment):
    """Divide the learning rate."""

    name = "slower"

    def apply(self, patient: Patient) -> Fix:
        patient.subject.optimizer.param_groups[0]["lr"] /= 1000
        return Fix("pass")


def random_labels(number: int = 16) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(5)
    return [(x, torch.randint(3, y.shape, generator=generator)) for x, y in batches(number)]


def test_a_loss_that_no_weight_changes_yet_ends_no_trial() -> None:
    own = subject(Silent(), rate=1e-6)
    untreated = run_trial(own, seconds=SECONDS)
    assert len(set(untreated.losses)) == 1
    trial = run_trial(own, [Faster()], untreated=untreated, updates=RUNG + 1, seconds=SECONDS)
    assert trial.outcome is Outcome.TRAINED


def test_running_statistics_tell_copies_apart() -> None:
    class Momentum(Treatment):
        """Change what is seen in evaluation alone."""

        name = "momentum"

        def apply(self, patient: Patient) -> Fix:
            patient.subject.model[1].momentum = 0.5
            return Fix("pass")

    own = subject(nn.Sequential(Net(), nn.BatchNorm1d(3)))
    untreated = run_trial(own, seconds=SECONDS)
    trial = run_trial(own, [Momentum()], untreated=untreated, seconds=SECONDS)
    assert trial.losses[:UPDATES] == untreated.losses[:UPDATES]
    assert trial.outcome is Outcome.TRAINED


@pytest.mark.parametrize("patient", [False, True])
def test_a_trial_that_begins_no_better_is_trained_on_where_a_root_cause_names_it(patient: bool) -> None:
    own = subject()
    untreated = run_trial(own, seconds=SECONDS)
    trial = run_trial(own, [Slower()], untreated=untreated, patient=patient, seconds=SECONDS)
    assert trial.outcome is (Outcome.TRAINED if patient else Outcome.NO_BETTER)


def test_root_causes_name_all_treatments_of_a_set() -> None:
    healer = Healer(subject(), [cause("SPK408")], (), math.inf)
    named, other = treatment("optimizer of all parameters"), treatment("binary input")
    assert healer.is_named_by_root([named])
    assert not healer.is_named_by_root([named, other])


def healed_to(accuracy: float) -> tuple[Verdict, str]:
    """Return verdict and text for a proved treatment with such an accuracy, on data that a linear map can learn."""
    right = tuple(number < 200 * accuracy for number in range(200))
    trial = Trial(("decay of 0.9",), Outcome.TRAINED, "", (1.0,) * 80, (Evaluation((), right, 0.35),))
    best = Tried((treatment("decay of 0.9"),), trial, Proof(0.0, 0.0, 0.0, complete=True))
    healer = Healer(subject(), [cause("SPK207")], (), time.monotonic(), tried=[best])
    healing = healer.result(Trial((), Outcome.TRAINED, "", (1.0,) * 40), best, 1.0)
    return healing.verdict, healing.text


def test_a_network_far_behind_a_linear_map_is_improved_and_not_cured() -> None:
    verdict, text = healed_to(0.5)
    assert verdict is Verdict.IMPROVED
    assert "Something else is wrong, too: a linear map of the input is right in 100%" in text
    assert healed_to(0.89)[0] is Verdict.CURED


def test_weights_that_are_kept_beside_the_model_cannot_be_evaluated_and_nothing_is_offered() -> None:
    net = Net()
    weights = {name: value.detach().clone().requires_grad_() for name, value in net.named_parameters()}
    optimizer = torch.optim.Adam(weights.values(), lr=0.02)

    def step(x: Tensor, y: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(torch.func.functional_call(net, weights, (x,)), y)
        loss.backward()
        optimizer.step()
        return loss

    healing = Healer(subject(net, optimizer=optimizer, step=step), (), (), time.monotonic() + SECONDS).heal()
    assert healing.verdict is Verdict.NOT_CURED
    assert healing.rows == ()
    assert "Pass forward=, which calls the model with them" in healing.text


def accumulating(every: int, before: int = 0) -> Subject:
    """A subject whose loop updates the weights after so many batches, and not at all in those before."""
    batches_seen = 0

    def step(own: Subject, x: Tensor, y: Tensor) -> Tensor:
        nonlocal batches_seen
        batches_seen += 1
        loss = F.cross_entropy(own.model(x), y)
        (loss / every).backward()
        if batches_seen > before and batches_seen % every == 0:
            own.optimizer.step()
            own.optimizer.zero_grad()
        return loss

    return with_step(subject(rate=0.02), step)


def test_a_loop_that_accumulates_gradients_or_begins_late_is_seen_to_train_the_model() -> None:
    for own in (accumulating(4), accumulating(1, before=45)):
        healing = Healer(own, (), (), time.monotonic() + SECONDS).heal()
        assert healing.verdict is Verdict.HEALTHY


def test_a_treatment_of_a_loop_that_accumulates_gradients_has_an_effect_after_its_first_update() -> None:
    own = accumulating(4)
    untreated = run_trial(own, goes_on=up_to_twice, seconds=SECONDS)
    faster, same = (run_trial(own, [one], untreated=untreated, seconds=SECONDS) for one in (Faster(), Nothing()))
    assert faster.outcome is not Outcome.NO_EFFECT
    assert (same.outcome, len(same.losses)) == (Outcome.NO_EFFECT, RUNG)


@pytest.mark.parametrize(
    ("right", "text"),
    [
        (95, "the network learns as it is: nothing to heal"),
        (60, "no finding says why it would have to be healed. Its held-out accuracy is 60% after 80 updates"),
    ],
)
def test_a_network_that_learns_and_is_often_wrong_is_shown_with_its_accuracy(right: int, text: str) -> None:
    evaluation = Evaluation((1.0,), tuple(number < right for number in range(100)), 0.3)
    assert text in healthy(Trial((), Outcome.TRAINED, "", (1.0,) * 80, (evaluation,)), None, 1.0).text


def remaining(own: Subject, *causes: Cause) -> str:
    return what_remains(own, causes, UPDATES)


def test_labels_of_other_samples_are_named_where_no_map_of_the_input_predicts_them() -> None:
    text = remaining(subject(batches=random_labels()), cause("SPK302"))
    assert text.startswith("Labels that do not belong to their inputs look like this: a linear map of the input is ")
    assert "Look at some pairs of inputs and labels" in text


def test_a_batch_that_is_learned_by_heart_speaks_for_gradients_and_optimizer() -> None:
    few = [(x[:4], y[:4]) for x, y in random_labels(48)]
    assert ", while the network learns one batch by heart (loss from " in remaining(subject(rate=0.02, batches=few))


def test_labels_that_follow_from_the_input_are_not_suspected() -> None:
    text = remaining(subject(), cause("SPK302"))
    assert text.startswith(
        "The labels follow from the inputs: a linear map is right in 100%. What remains: a fault in "
    )
    assert "do not belong" not in text


def test_what_was_found_is_what_remains() -> None:
    text = remaining(subject(batches=random_labels()), cause("SPK106", "swapped-axes"), cause("SPK302"))
    assert text == "What remains is to mend in the code itself what was found: SPK106 swapped-axes"


def test_targets_that_are_no_classes_may_belong_to_other_inputs_too() -> None:
    values = [(x, F.one_hot(y, 3).float()) for x, y in batches(4)]
    text = remaining(subject(batches=values, loss_fn=F.mse_loss))
    assert text.startswith("What remains: targets that do not belong to their inputs, a fault in the code between")
