"""One trial: a copy of the network is treated and trained, with the same batches and random numbers as any other."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from statistics import fmean

from torch.nn.parameter import is_lazy

from spikecheck import api
from spikecheck.examination.isolation import FailureKind, run_isolated
from spikecheck.examination.subject import Batch, Evaluation, OutOfTimeError, Subject, seed_everything
from spikecheck.examination.treatments.base import NotApplicableError, Patient, Treatment
from spikecheck.finding import Fix, Severity
from spikecheck.number_format import fill

STAGES = (1, 2, 4)  # times the updates after which a copy is evaluated, each only where the one before was passed
TWICE = STAGES[1]  # so long is the untreated copy trained
UPDATES = 40  # measured: on public faults, what a trial of 40 updates proves holds after 200 in 78 of 86
EXACT_UPDATES = 3  # derived: with the same losses in three updates, weights and gradients are the same
RUNG = 14  # updates after which a trial that does no better than the untreated copy is stopped
MIN_RELATIVE_GAIN = 0.02  # measured: on public faults, a loss that is less than 2% lower at the rung never healed
MIN_RELATIVE_FALL = 0.07  # the same for the fall of the loss since its beginning, where the loss itself is another
PAIRED = 8  # derived: with the same batches, 7 of 8 losses are lower by chance in 4% of the trials
NON_FINITE = 6  # updates that a loss may be NaN or infinite at the beginning
MAX_SECONDS = 60.0  # judgment call: of one trial, where no other limit is passed


class Outcome(Enum):
    """How a trial ended."""

    TRAINED = "trained"
    NOT_APPLICABLE = "not applicable"
    NO_EFFECT = "no effect"
    NO_BETTER = "no better"  # stopped early
    FAILED = "failed"
    TOO_SLOW = "out of time"


@dataclass(frozen=True)
class Trial:
    """What came of one trial.

    Attributes:
        treatments: their names; none for the untreated copy.
        outcome, reason: how it ended.
        losses: of each update.
        evaluations: on the batches that are held out, after `updates` and the later STAGES; as many as it came to.
        patch: what was changed, as code for the user's script.
        comparable: whether its losses are of the same kind as those of the untreated copy.
        weights: numbers that two copies with the same weights and buffers share: at first, after 3 and 14 updates.
        moves: whether the weights or buffers of the model have changed: a script need not begin with an update.
        symptoms: the checks with a warning or an error in the copy; None where no monitor was attached.
        seconds: how long it took.
        updates: after how many it is evaluated for the first time.
    """

    treatments: tuple[str, ...]
    outcome: Outcome
    reason: str = ""
    losses: tuple[float, ...] = ()
    evaluations: tuple[Evaluation, ...] = ()
    patch: str = ""
    comparable: bool = True
    weights: tuple[float, ...] = ()
    moves: bool = True
    symptoms: tuple[str, ...] | None = None
    seconds: float = 0.0
    updates: int = UPDATES

    @property
    def begins_late(self) -> bool:
        """Whether its first steps changed no weight, as where gradients are accumulated over several batches."""
        return self.weights[0] == self.weights[1] if len(self.weights) > 1 else False

    @property
    def last_loss(self) -> float:
        """The mean of the last losses."""
        return fmean(self.losses[-5:]) if self.losses else math.nan

    @property
    def evaluation(self) -> Evaluation | None:
        """The first evaluation."""
        return self.evaluations[0] if self.evaluations else None

    @property
    def latest(self) -> Evaluation | None:
        """The last evaluation."""
        return self.evaluations[-1] if self.evaluations else None

    @property
    def accuracy(self) -> float | None:
        """The share of held-out samples that were predicted right in the end."""
        return None if self.latest is None else self.latest.accuracy

    def evaluated_after(self, updates: int) -> Evaluation | None:
        """Return the evaluation after so many updates, or the last one before."""
        made = zip(STAGES, self.evaluations, strict=False)
        return next((one for stage, one in reversed([*made]) if stage * self.updates <= updates), self.evaluation)


Continue = Callable[[Trial], bool]


def always(trial: Trial) -> bool:
    """Train a copy to the last stage."""
    return True


def up_to_twice(trial: Trial) -> bool:
    """Train a copy for twice the updates, as the untreated one that treated copies are compared with."""
    return len(trial.evaluations) < STAGES.index(TWICE) + 1


def run_trial(
    subject: Subject,
    treatments: Sequence[Treatment] = (),
    *,
    untreated: Trial | None = None,
    checks: tuple[str, ...] = (),
    goes_on: Continue = always,
    updates: int = UPDATES,
    watch: int = 0,
    patient: bool = False,
    seconds: float = MAX_SECONDS,
) -> Trial:
    """Treat a copy, train it, and evaluate it on the batches that are held out.

    Args:
        subject: what is examined; it is not changed.
        treatments: in the order in which they are applied.
        untreated: the untreated copy, compared with which a trial is stopped early; without it, none is.
        checks: the findings of the untreated copy.
        goes_on: says of a trial after an evaluation whether it is trained on, to be evaluated again.
        updates: after how many it is evaluated for the first time.
        watch: the number of updates, with a monitor and without an evaluation, if it is for the symptoms alone.
        patient: whether a trial that begins no better than the untreated copy is trained on.
        seconds: the time limit.
    """
    names = tuple(one.name for one in treatments)

    def make(own: Subject) -> Trial:
        try:
            if watch:
                return watched(own, treatments, names, checks, watch)
            return trained(own, treatments, names, checks, untreated, goes_on, updates, patient=patient)
        except NotApplicableError as error:
            return Trial(names, Outcome.NOT_APPLICABLE, str(error))

    result = run_isolated(make, subject, seconds=seconds)
    if result.value is None:
        slow = result.failure is not None and result.failure.kind is FailureKind.TIMED_OUT
        outcome = Outcome.TOO_SLOW if slow else Outcome.FAILED
        return Trial(names, outcome, str(result.failure), seconds=result.seconds)
    return replace(result.value, seconds=result.seconds)


def trained(
    own: Subject,
    treatments: Sequence[Treatment],
    names: tuple[str, ...],
    checks: tuple[str, ...],
    untreated: Trial | None,
    goes_on: Continue,
    updates: int,
    *,
    patient: bool,
) -> Trial:
    """Make a trial with a copy of the subject."""
    copy, patch = treated(own, treatments, checks)
    losses: list[float] = []
    weights = [fingerprint(own)]
    batches = own.cycle(STAGES[-1] * updates)
    exact = all(one.early_stop for one in treatments)
    same_loss = not patient and not any(one.changes_loss for one in treatments)
    for number, batch in enumerate(itertools.islice(batches, updates), 1):
        losses.append(update(copy, batch))
        if number in (EXACT_UPDATES, RUNG):
            weights.append(fingerprint(own))
        if not treatments and own.has_learned(losses):
            break
        stopped = None if untreated is None else useless(losses, weights, untreated, exact=exact, same_loss=same_loss)
        if stopped is not None:
            return Trial(names, stopped[0], stopped[1], tuple(losses), patch=patch)
    trial = Trial(
        names,
        Outcome.TRAINED,
        losses=tuple(losses),
        evaluations=(own.evaluate(),),
        patch=patch,
        comparable=exact,
        weights=tuple(weights),
        moves=fingerprint(own) != weights[0],
        updates=updates,
    )
    if len(losses) < updates:
        return trial
    for stage, before in zip(STAGES[1:], STAGES, strict=False):
        if not goes_on(trial):
            break
        own.model.train()
        try:
            losses += [update(copy, batch) for batch in itertools.islice(batches, (stage - before) * updates)]
        except OutOfTimeError:
            return replace(trial, reason=f"no time was left to train it for {stage * updates} updates")
        moves = trial.moves or fingerprint(own) != weights[0]
        trial = replace(trial, losses=tuple(losses), evaluations=(*trial.evaluations, own.evaluate()), moves=moves)
    return trial


def fingerprint(own: Subject) -> float:
    """Return a number that depends on every weight of the model, and on every buffer, such as running statistics."""
    model = own.model
    tensors = (tensor.detach() for _, tensor in (*model.named_parameters(), *model.named_buffers()))
    return math.fsum(float(t.abs().double().sum()) for t in tensors if not is_lazy(t))


def watched(
    own: Subject, treatments: Sequence[Treatment], names: tuple[str, ...], checks: tuple[str, ...], updates: int
) -> Trial:
    """Train a treated copy with a monitor, for its symptoms."""
    patient, patch = treated(own, treatments, checks)
    with api.attach(own.model, on_finding=lambda finding: None) as monitor:
        losses = [update(patient, batch) for batch in own.cycle(updates)]
    symptoms = dict.fromkeys(one.check for one in monitor.report().at_least(Severity.WARNING))
    return Trial(names, Outcome.TRAINED, "", tuple(losses), patch=patch, symptoms=tuple(symptoms))


def treated(own: Subject, treatments: Sequence[Treatment], checks: tuple[str, ...]) -> tuple[Patient, str]:
    """Apply treatments to a copy, ready to be trained; return it with the patch."""
    patient = Patient(own, checks)
    seed_everything()
    fixes = [one.apply(patient) for one in treatments]
    reset_before_forward(patient)
    own.model.train()
    seed_everything()
    return patient, patch_of(fixes)


def update(patient: Patient, batch: Batch) -> float:
    """Make one update, and return the loss."""
    for reset in patient.before_update:
        reset()
    return patient.subject.update(batch)


def reset_before_forward(patient: Patient) -> None:
    """Let evaluations begin as the updates do."""
    if patient.before_update:
        call = patient.subject.forward or patient.subject.model

        def forward(*inputs: object) -> object:
            for reset in patient.before_update:
                reset()
            return call(*inputs)

        patient.subject.forward = forward


def useless(
    losses: list[float], weights: Sequence[float], untreated: Trial, *, exact: bool, same_loss: bool
) -> tuple[Outcome, str] | None:
    """Return why a trial is ended: it changes nothing, does no better, or its loss stays NaN or infinite."""
    number = len(losses)
    if number > NON_FINITE and not math.isfinite(losses[-1]):
        return Outcome.NO_BETTER, f"the loss is {losses[-1]} after {number} updates"
    if not exact or len(untreated.losses) < number:
        return None
    same_so_far = tuple(losses) == untreated.losses[:number]  # a silent output has a loss that no weight changes
    told_apart = RUNG if untreated.begins_late else EXACT_UPDATES
    if number == told_apart and same_so_far and tuple(weights) == untreated.weights[: len(weights)]:
        return Outcome.NO_EFFECT, "the losses are those of the untreated copy, digit by digit"
    if number == RUNG and same_loss and not same_so_far:
        ours, theirs = fmean(losses[-4:]), fmean(untreated.losses[RUNG - 4 : RUNG])
        if not all(map(math.isfinite, (theirs, untreated.losses[0]))):
            return None
        lower = ours < (1 - MIN_RELATIVE_GAIN) * theirs
        falls = ours / losses[0] < (1 - MIN_RELATIVE_FALL) * theirs / untreated.losses[0]
        pairs = zip(losses[-PAIRED:], untreated.losses[RUNG - PAIRED : RUNG], strict=True)
        below = sum(own < other for own, other in pairs) >= PAIRED - 1  # on a plateau, any fall is a beginning
        if not lower and not falls and not below:
            text = f"the loss after {RUNG} updates is {{ours:n}}, without {{theirs:n}}"
            return Outcome.NO_BETTER, fill(text, ours=ours, theirs=theirs)
    return None


def patch_of(fixes: Sequence[Fix]) -> str:
    """Return the code of several fixes, each once."""
    return "\n".join(dict.fromkeys(fix.code for fix in fixes))
