"""A cure is proved by three claims; a healthy network and a fault in the data are offered none."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from spikecheck.diagnosis import Cause
from spikecheck.examination.advised_fix import AdvisedFix
from spikecheck.examination.candidates import Tried, candidates
from spikecheck.examination.healing import Healer
from spikecheck.examination.proof import Proof, claims
from spikecheck.examination.subject import Evaluation, Subject
from spikecheck.examination.treatments.base import NotApplicableError, Patient, Role, Treatment, treatment, treatments
from spikecheck.examination.trial import STAGES, UPDATES, Outcome, Trial, run_trial
from spikecheck.finding import Expected, Finding, Fix, Observed, Severity
from spikecheck.report.treated import Healing, Verdict
from spikecheck.site import Site, SiteKind
from tests.unit.examination.subjects import LIF, Net, batches, subject
from tests.unit.examination.test_treatments import Patched, with_step


def cause(check: str, slug: str = "slug", place: str = "lif", fixes: tuple[Fix, ...] = ()) -> Cause:
    site = Site(SiteKind.SPIKES, place)
    return Cause(Finding(check, slug, Severity.ERROR, site, "m", Observed("o"), Expected("e"), fixes))


SECONDS = 900.0  # of the clock: a test must not fail where the machine is busy


def healed(own: Subject, *causes: Cause) -> Healing:
    return Healer(own, causes, (), time.monotonic() + SECONDS).heal()


# -- a trial


def test_a_trial_leaves_the_subject_as_it_was_and_is_the_same_each_time() -> None:
    own = subject(Net(Patched(threshold=50.0)))
    before = {name: value.clone() for name, value in own.model.state_dict().items()}
    one, other = (run_trial(own, [treatment("thresholds of 1")], seconds=SECONDS) for _ in range(2))
    assert one.losses == other.losses
    assert len(one.losses) == STAGES[-1] * UPDATES
    assert one.patch == "model.lif.threshold = 1.0"
    assert own.model.lif.threshold == 50
    assert all(torch.equal(value, before[name]) for name, value in own.model.state_dict().items())


class Nothing(Treatment):
    """Change nothing."""

    name = "nothing"

    def apply(self, patient: Patient) -> Fix:
        return Fix("pass")


class Harmful(Nothing):
    """Take the input away."""

    def apply(self, patient: Patient) -> Fix:
        patient.change_inputs(torch.zeros_like)
        return Fix("pass")


class Raising(Nothing):
    """Break the loss."""

    def apply(self, patient: Patient) -> Fix:
        patient.subject.loss_fn = lambda output, y: output[99]
        return Fix("pass")


class Refusing(Nothing):
    """Have nothing to change."""

    def apply(self, patient: Patient) -> Fix:
        raise NotApplicableError("not here")


class Later(Nothing):
    """Change nothing that a loss would show."""

    early_stop = False


@pytest.mark.parametrize(
    ("one", "outcome", "updates"),
    [
        (Nothing(), Outcome.NO_EFFECT, 3),
        (Harmful(), Outcome.NO_BETTER, 14),
        (Raising(), Outcome.FAILED, 0),
        (Refusing(), Outcome.NOT_APPLICABLE, 0),
        (Later(), Outcome.TRAINED, STAGES[-1] * UPDATES),
    ],
)
def test_a_trial_that_is_of_no_use_is_stopped_early(one: Treatment, outcome: Outcome, updates: int) -> None:
    own = subject()
    trial = run_trial(own, [one], untreated=run_trial(own, seconds=SECONDS), seconds=SECONDS)
    assert (trial.outcome, len(trial.losses)) == (outcome, updates), trial.reason


def test_a_trial_without_time_says_so() -> None:
    assert run_trial(subject(), seconds=1e-3).outcome is Outcome.TOO_SLOW


def test_symptoms_are_those_of_the_treated_copy() -> None:
    own = subject(Net(Patched(threshold=500.0)))
    sick = run_trial(own, watch=24, seconds=SECONDS)
    treated = run_trial(own, [treatment("thresholds of 1")], watch=24, seconds=SECONDS)
    assert "SPK205" in (sick.symptoms or ())
    assert "SPK205" not in (treated.symptoms or ())


# -- the claims


def trial_with(right: int, later: int | None, of: int = 300) -> Trial:
    def evaluation(number: int) -> Evaluation:
        return Evaluation((1.0,), tuple(index < number for index in range(of)), 0.34)

    evaluations = (evaluation(right),) if later is None else (evaluation(right), evaluation(later), evaluation(later))
    return Trial((), Outcome.TRAINED, "", (1.0, 0.5), evaluations)


@pytest.mark.parametrize(
    ("treated", "untreated", "tried", "promising", "holds"),
    [
        pytest.param((280, 290), (100, 100), 1, True, True, id="all three hold"),
        pytest.param((280, None), (100, 100), 1, True, False, id="the third is not tested"),
        pytest.param((105, 105), (60, 60), 1, False, False, id="beats, and learns nothing"),
        pytest.param((280, 290), (279, 280), 1, False, False, id="learns, as the untreated copy does"),
        pytest.param((280, 100), (100, 100), 1, False, False, id="forgets it again"),
        pytest.param((280, 290), (100, 289), 1, False, False, id="the untreated copy gets there too"),
        pytest.param((130, 290), (120, 100), 1, True, True, id="a small gain, of one trial"),
        pytest.param((130, 290), (120, 100), 20, False, False, id="a small gain, the best of 20 trials"),
    ],
)
def test_a_proof_takes_all_three_claims(
    treated: tuple[int, int | None], untreated: tuple[int, int], tried: int, promising: bool, holds: bool
) -> None:
    proof = claims(trial_with(*treated), trial_with(*untreated), tried)
    assert (proof.promising, proof.holds) == (promising, holds)


def losing(*losses: float) -> Trial:
    nothing = Evaluation(())
    return Trial((), Outcome.TRAINED, "", losses, (nothing,) * len(STAGES))


FALLING = tuple(1 / (1 + number) for number in range(STAGES[-1] * UPDATES))


@pytest.mark.parametrize(
    ("treated", "untreated", "holds"),
    [
        pytest.param(FALLING, (1.0,) * len(FALLING), True, id="lower in every update"),
        pytest.param(FALLING, FALLING, False, id="the same losses"),
        pytest.param((0.9,) * len(FALLING), (1.0,) * len(FALLING), False, id="lower, and not falling"),
        pytest.param(FALLING, (float("nan"),) * len(FALLING), True, id="finite losses instead of NaN"),
    ],
)
def test_without_classes_the_losses_of_the_same_batches_are_compared(treated, untreated, holds) -> None:
    assert claims(losing(*treated), losing(*untreated), 5).holds is holds


# -- the search


def test_a_healthy_network_is_offered_no_cure() -> None:
    healing = healed(subject())
    assert healing.verdict is Verdict.HEALTHY
    assert healing.rows == ()


def test_the_finding_decides_what_is_tried_first_and_the_cure_comes_with_its_patch() -> None:
    healing = healed(subject(Net(Patched(threshold=500.0))), cause("SPK205", "weak-drive"))
    assert healing.verdict is Verdict.CURED
    assert healing.cure is not None
    assert "model.lif.threshold" in healing.cure.patch
    assert healing.cure.named_by == ("SPK205 weak-drive",)
    assert healing.cure.copy is not None
    assert healing.cure.copy.accuracy > 0.9
    assert healing.cure.p_lasts < 0.01
    assert all("SPK205" not in row.copy.symptoms for row in healing.rows if row.outcome == "trained")
    assert "held-out accuracy" in healing.text


@pytest.mark.full
def test_patches_have_the_name_that_the_script_has_for_the_model() -> None:
    advised = Fix("net.lif.threshold = 500.0", model="net", applies=True)
    healing = healed(subject(Net(Patched(threshold=500.0))), cause("SPK205", fixes=(advised,)))
    assert healing.cure is not None
    assert healing.cure.patch.startswith("net.lif.threshold = ")
    assert "the code that SPK205 slug advises at lif" in [row.name for row in healing.rows]


def test_mixed_axes_are_healed_without_a_finding() -> None:
    net = Net()
    inner = net.forward
    net.forward = lambda x: inner(x.transpose(0, 1).reshape(x.shape))
    healing = healed(subject(net))
    assert healing.verdict is Verdict.CURED
    assert healing.cure is not None
    assert healing.cure.name == "axes permuted instead of reshaped"


@pytest.mark.full
def test_a_fault_in_the_loop_is_healed_by_a_plain_one() -> None:
    def undo(own: Subject, x: Tensor, y: Tensor) -> Tensor:
        weights = [parameter.detach().clone() for parameter in own.model.parameters()]
        loss = F.cross_entropy(own.model(x), y)
        own.optimizer.zero_grad()
        loss.backward()
        own.optimizer.step()
        with torch.no_grad():
            for parameter, value in zip(own.model.parameters(), weights, strict=True):
                parameter.copy_(value)
        return loss

    healing = healed(with_step(subject(), undo), cause("SPK415"))
    assert healing.verdict is Verdict.CURED
    assert healing.cure is not None
    assert healing.cure.name == "plain training loop"


def test_a_fault_in_the_data_is_no_matter_of_code() -> None:
    own = subject(batches=[(x * 0, y) for x, y in batches()])
    healing = healed(own, cause("SPK102", "empty-input", "input"))
    assert healing.verdict is Verdict.DATA
    assert healing.rows == ()
    assert "data" in healing.text


@pytest.mark.parametrize("accuracy", [True, False])
def test_what_nothing_heals_is_in_the_data_where_a_finding_says_so(accuracy) -> None:
    untreated = Trial((), Outcome.TRAINED, "", (1.0,) * 40, (Evaluation((1.0,), (accuracy,) * 200, 0.3),))
    in_data, in_model = cause("SPK111", "duplicate-channels", "input"), cause("SPK205")
    healing = Healer(subject(), (in_model, in_data), (), math.inf).result(untreated, None, 1.0)
    assert healing.verdict is Verdict.DATA
    assert "in the data (SPK111 duplicate-channels), which no change of model or loop takes back" in healing.text
    healing = Healer(subject(), (in_model,), (), math.inf).result(untreated, None, 1.0)
    assert healing.verdict is Verdict.NOT_CURED
    assert "in the data" not in healing.text


@pytest.mark.full
def test_random_labels_are_not_healed_and_what_remains_is_said() -> None:
    generator = torch.Generator().manual_seed(5)
    own = subject(batches=[(x, torch.randint(3, y.shape, generator=generator)) for x, y in batches()])
    healing = healed(own)
    assert healing.verdict is Verdict.NOT_CURED
    assert "labels that do not belong to their inputs" in healing.text


@pytest.mark.full
def test_a_network_that_learns_in_spite_of_a_finding_is_said_to() -> None:
    healing = healed(subject(), cause("SPK412"))
    assert healing.verdict is Verdict.NOT_CURED
    assert healing.text.startswith("the network learns as it is, with a held-out accuracy of 100%")


def test_what_helps_any_network_is_a_cause_only_where_a_finding_names_it() -> None:
    healer = Healer(subject(), (), (), 0.0)
    rate = treatment("learning rate from a ladder")
    assert rate.role is Role.BOOSTER
    assert not healer.removes_cause(rate)
    assert Healer(subject(), (cause("SPK410"),), (), 0.0).removes_cause(rate)


@pytest.mark.full
def test_a_rate_that_is_far_too_small_is_healed_where_a_finding_names_it() -> None:
    healing = healed(subject(Net(LIF()), rate=1e-8), cause("SPK410"))
    assert healing.verdict is Verdict.CURED
    assert healing.cure is not None
    assert 'group["lr"] *= ' in healing.cure.patch or "Adam" in healing.cure.patch


@pytest.mark.full
def test_a_step_without_loss_and_classes_is_healed_by_its_losses() -> None:
    """A network that predicts numbers, and whose updates are all that is known of it."""
    own = subject(Net(Patched(threshold=500.0)), batches=[(x, 9 * x.mean(1)[:, ::4]) for x, _ in batches()])

    def step(own: Subject, x: Tensor, y: Tensor) -> Tensor:
        loss = F.mse_loss(own.model(x), y)
        own.optimizer.zero_grad()
        loss.backward()
        own.optimizer.step()
        return loss

    own = with_step(own, step)
    own.loss_fn = None
    healing = healed(own, cause("SPK205", "weak-drive"))
    assert healing.verdict is Verdict.CURED
    assert healing.cure is not None
    assert healing.cure.copy is not None
    assert healing.cure.copy.accuracy is None


# -- several root causes


class Scripted(Healer):
    """A search whose trials are not made: a set of treatments is proved if it contains all that are needed."""

    needed: tuple[str, ...] = ()
    right: Mapping[str, int] = {}  # of 200 samples; all, where a treatment is not among these

    def attempt(self, chosen: tuple[Treatment, ...], untreated: Trial) -> Tried:
        names = tuple(one.name for one in chosen)
        proof = Proof(0.0, 0.0, 0.0, complete=True) if set(self.needed) <= set(names) else Proof(1.0, 1.0)
        right = self.right.get(names[0], 200)
        evaluation = Evaluation((), tuple(sample < right for sample in range(200)), 0.3)
        self.tried.append(Tried(chosen, Trial(names, Outcome.TRAINED, evaluations=(evaluation,)), proof))
        return self.tried[-1]


def sets_tried(*needed: str, checks: tuple[str, ...]) -> tuple[list[tuple[str, ...]], tuple[str, ...]]:
    healer = Scripted(subject(), [cause(check) for check in checks], (), time.monotonic() + SECONDS)
    healer.needed = needed
    best = healer.search(Trial((), Outcome.TRAINED), time.monotonic())
    assert best is not None
    return [one.trial.treatments for one in healer.tried], best.trial.treatments


def test_one_treatment_of_each_root_cause_is_tried_before_any_second_one() -> None:
    tried, best = sets_tried("binary input", "training mode", checks=("SPK101", "SPK214"))
    assert tried == [("binary input",), ("training mode",), ("binary input", "training mode")]
    assert best == tried[-1]


def test_treatments_that_a_proved_set_does_not_need_are_left_out() -> None:
    _, best = sets_tried("binary input", "labels from 0", checks=("SPK101", "SPK214", "SPK306"))
    assert best == ("binary input", "labels from 0")


def test_one_root_cause_is_searched_to_its_end() -> None:
    tried, best = sets_tried("training mode", checks=("SPK214",))
    assert best == ("training mode",)
    assert tried[0] == ("training mode",)


@pytest.mark.parametrize(("right", "best"), [(120, "plain training loop"), (190, "constant learning rate")])
def test_a_proved_treatment_that_leaves_much_to_gain_is_compared_with_those_of_other_findings(right, best) -> None:
    healer = Scripted(subject(), [cause("SPK407")], (), time.monotonic() + SECONDS)
    healer.right = dict.fromkeys((one.name for one in treatments() if "SPK407" in one.named_by), right)
    chosen = healer.search(Trial((), Outcome.TRAINED), time.monotonic())
    assert chosen is not None
    assert chosen.trial.treatments == (best,)


def test_what_no_finding_names_takes_the_place_of_no_proved_cause() -> None:
    healer = Scripted(subject(), [cause("SPK306")], (), time.monotonic() + SECONDS)
    healer.right = {"labels from 0": 120}
    chosen = healer.search(Trial((), Outcome.TRAINED), time.monotonic())
    assert chosen is not None
    assert chosen.trial.treatments == ("labels from 0",)


@pytest.mark.parametrize(
    ("check", "loss", "tried"),
    [
        pytest.param("SPK417", 0.8, {"optimizer of all parameters"}, id="slowly, and a note names a treatment"),
        pytest.param("SPK417", 0.2, set(), id="it learns well"),
        pytest.param("SPK313", 0.8, set(), id="a note that names none"),
    ],
)
def test_a_network_that_learns_slowly_is_treated_only_by_what_a_note_names(check, loss, tried) -> None:
    class Slow(Scripted):
        needed = ("none that there is",)

        def run(self, chosen: Sequence[Treatment], **options: object) -> Trial:
            all_right = Evaluation((), (True,) * 200, 0.3)
            return Trial((), Outcome.TRAINED, losses=(1.0, *[loss] * 39), evaluations=(all_right,))

    note = replace(cause(check).finding, severity=Severity.NOTE)
    healer = Slow(subject(), (), (note,), time.monotonic() + SECONDS)
    assert healer.heal().verdict is (Verdict.NOT_CURED if tried else Verdict.HEALTHY)
    assert {one.trial.treatments[0] for one in healer.tried} == tried


def test_a_fix_that_findings_of_several_layers_advise_is_tried_once() -> None:
    codes = ("model.a.threshold = 1\nmodel.b.threshold = 1", "model.b.threshold = 1\nmodel.a.threshold = 1")
    causes = [cause("SPK504", place=code[6], fixes=(Fix(code, applies=True),)) for code in codes]
    advised = [one for _, one in candidates([one.finding for one in causes]) if isinstance(one, AdvisedFix)]
    assert len(advised) == 1


def test_a_trial_can_be_given_more_updates() -> None:
    own = subject()
    trial = run_trial(own, updates=20, seconds=SECONDS)
    assert len(trial.losses) == STAGES[-1] * 20
    assert Healer(own, (), (), time.monotonic() + SECONDS, updates=20).run(()).updates == 20
