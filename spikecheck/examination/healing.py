"""Which treatments are tried, in which order, until one is proved: the policy, and what it says in the end.

What findings name comes first, then a small core, then combinations. The search ends with the best proved treatment
that removes a cause, once it makes the network good, or when the time is over.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from spikecheck.checks.fixes import personal
from spikecheck.diagnosis import Cause
from spikecheck.examination.candidates import Tried, candidates, combinations
from spikecheck.examination.proof import MAX_LOSS_RATIO, claims, learns
from spikecheck.examination.remaining import linear_probe, what_remains, what_remains_of_data
from spikecheck.examination.significance import sign_test
from spikecheck.examination.subject import Evaluation, Subject
from spikecheck.examination.treatments.base import Role, Treatment, treatments
from spikecheck.examination.trial import TWICE, UPDATES, Continue, Outcome, Trial, run_trial, up_to_twice
from spikecheck.finding import Finding, Fix, Severity
from spikecheck.number_format import percentage
from spikecheck.report.treated import MAX_P, CopyResult, Healing, TreatmentRow, Verdict

IN_THE_DATA = ("SPK102", "SPK103", "SPK107", "SPK307")  # checks of faults that no change of code takes back
IF_NOTHING_HEALS = ("SPK104", "SPK108", "SPK109", "SPK110", "SPK111", "SPK308")  # the same, if no treatment is proved
REST_OF_TIME = 0.7  # of the time: after it, a proved treatment is not compared with others any more
WATCHED = 24  # updates of the treated copy that a monitor watches; judgment call: most checks need 10 to 20
MAX_ROOTS = 4  # judgment call: of more root causes than that, most are consequences that no rule knows of
MAX_LOSS_LEFT = 0.5  # measured: of the first loss; 5 of 31 healthy scripts have more left, and none has such a note
ENOUGH = 0.9  # judgment call: a proved treatment with a lower accuracy is compared with those of other findings, too
BETTER_P = 0.01  # judgment call: of two proved treatments, the first is taken unless the other is better for certain
MIN_SHARE = 0.8  # judgment call: of what a linear map gains over the most frequent class, a healed network has so much
LEAST_SECONDS = 1.0


@dataclass
class Healer:
    """The search for a cure of one subject."""

    subject: Subject
    causes: Sequence[Cause]
    notes: Sequence[Finding]
    until: float
    advance: Callable[[str], object] = lambda name: None
    updates: int = UPDATES
    compares: bool = True  # whether a proved treatment is compared with others of the same finding
    tried: list[Tried] = field(default_factory=list)

    @cached_property
    def findings(self) -> list[Finding]:
        """All findings, root causes first, each followed by its consequences; notes last."""
        return [f for cause in self.causes for f in (cause.finding, *cause.consequences)] + list(self.notes)

    @property
    def checks(self) -> tuple[str, ...]:
        """Their checks."""
        return tuple(dict.fromkeys(finding.check for finding in self.findings))

    @property
    def alarms(self) -> tuple[str, ...]:
        """The checks with a warning or an error."""
        return tuple(dict.fromkeys(f.check for f in self.findings if f.severity >= Severity.WARNING))

    def heal(self) -> Healing:
        """Try treatments, and return what came of them."""
        start = time.monotonic()
        self.advance("an untreated copy")
        untreated = self.run((), goes_on=up_to_twice)
        if trains_other_weights(untreated):
            return not_evaluated(untreated, time.monotonic() - start)
        sick = self.is_sick(untreated)
        if not sick and not self.is_slow(untreated):
            return healthy(untreated, self.shortfall(untreated), time.monotonic() - start)
        data = next((one.finding for one in self.causes if one.finding.check in IN_THE_DATA), None)
        if data is not None:
            return in_the_data(data, untreated, time.monotonic() - start)
        if not sick:  # what no note names may help any network
            self.candidates = [(rank, one) for rank, one in self.candidates if rank < len(self.findings)]
        best = self.search(untreated, start)
        return self.result(untreated, best, time.monotonic() - start)

    def is_sick(self, untreated: Trial) -> bool:
        """Return whether there is anything to heal: an alarm, or a network that does not begin to learn."""
        return (
            bool(self.alarms)
            or untreated.outcome is not Outcome.TRAINED
            or learns(untreated, untreated.latest, len(untreated.losses)) >= MAX_P
        )

    def is_slow(self, untreated: Trial) -> bool:
        """Return whether a network that learns has most of it before it, and a note names what may hold it up."""
        named = any(note.check in one.named_by for note in self.notes for one in treatments())
        return named and untreated.last_loss > MAX_LOSS_LEFT * untreated.losses[0]

    def search(self, untreated: Trial, start: float) -> Tried | None:
        """Try treatments one by one, then in combination; return the best proved one that removes a cause."""
        best, best_rank = self.open(untreated)
        for rank, one in self.candidates:
            late = time.monotonic() > start + REST_OF_TIME * (self.until - start)
            done = best is not None and rank > best_rank and self.is_enough(best, rank)
            if self.is_over() or (best is not None and (late or done or not self.compares)):
                break
            if best is None or rank >= best_rank:
                chosen = self.better(best, self.attempt((one,), untreated))
                best_rank = rank if best is None else best_rank
                best = chosen
        if best is None:
            for combination in combinations(self.tried):
                if self.is_over() or best is not None:
                    break
                best = self.better(best, self.attempt(combination, untreated))
        return best

    def open(self, untreated: Trial) -> tuple[Tried | None, int]:
        """Where there are several root causes, try one treatment of each, alone and then all of them together.

        Return what is proved, with its rank.
        """
        effective: list[Treatment] = []
        for own in self.of_each_root():
            for rank, one in own:
                if self.is_over():
                    return None, 0
                tried = self.attempt((one,), untreated)
                if (best := self.better(None, tried)) is not None:
                    return best, rank
                if tried.has_effect:
                    effective.append(one)
                    break
        if len(effective) < 2 or self.is_over():
            return None, 0
        best = self.better(None, self.attempt(tuple(effective), untreated))
        return (None, 0) if best is None else (self.smaller(best, untreated), -1)

    def of_each_root(self) -> list[list[tuple[int, Treatment]]]:
        """Return the candidates by root cause; none where there is one root cause alone."""
        roots = [one for one in self.causes if one.finding.severity >= Severity.WARNING][:MAX_ROOTS]
        if len(roots) < 2:
            return []
        places = {id(one.finding): place for place, one in enumerate(roots)}
        of_root: list[list[tuple[int, Treatment]]] = [[] for _ in roots]
        for rank, one in self.candidates:
            place = places.get(id(self.findings[rank])) if rank < len(self.findings) else None
            if place is not None:
                of_root[place].append((rank, one))
        return of_root

    def smaller(self, best: Tried, untreated: Trial) -> Tried:
        """Return a smaller set that is proved too, where treatments can be left out; pairs are known to be needed."""
        for one in best.chosen:
            rest = tuple(other for other in best.chosen if other is not one)
            if len(rest) < 2 or self.is_over():
                return best
            without = self.better(None, self.attempt(rest, untreated))
            if without is not None:
                return self.smaller(without, untreated)
        return best

    @cached_property
    def candidates(self) -> list[tuple[int, Treatment]]:
        """Single treatments in the order of the trials."""
        return list(candidates(self.findings))

    def is_enough(self, best: Tried, rank: int) -> bool:
        """Return whether no candidate of this rank is compared with a proved treatment: it makes the network good.

        What no finding names is compared with boosters alone: good neurons improve weak networks of any cause.
        """
        removes = best.role is Role.CAUSE
        return is_good(best.trial.evaluated_after(TWICE * self.updates)) or (removes and rank >= len(self.findings))

    def attempt(self, chosen: tuple[Treatment, ...], untreated: Trial) -> Tried:
        """Make a trial; it goes on for as long as all claims hold."""
        known = next((one for one in self.tried if one.chosen == chosen), None)
        if known is not None:
            return known
        comparable = untreated if untreated.outcome is Outcome.TRAINED else None
        tried = Tried(chosen, Trial((), Outcome.FAILED))
        self.advance(tried.name)
        self.tried.append(tried)
        options = {"goes_on": self.promises(chosen, untreated), "patient": self.is_named_by_root(chosen)}
        tried.trial = self.run(chosen, untreated=comparable, **options)
        if tried.trial.outcome is Outcome.TRAINED:
            tried.proof = claims(tried.trial, untreated, self.number_of_trials())
            if tried.proof.comes_late and not self.is_over():
                untreated = self.untreated_for_longer
                goes_on = self.promises(chosen, untreated)
                tried.trial = self.run(chosen, updates=TWICE * self.updates, goes_on=goes_on)
                tried.proof = claims(tried.trial, untreated, self.number_of_trials())
        return tried

    def promises(self, chosen: Sequence[Treatment], untreated: Trial) -> Continue:
        """Return what says of a trial of these treatments whether to train it on."""

        def goes_on(trial: Trial) -> bool:
            proof = claims(trial, untreated, self.number_of_trials() + 1)
            is_first = proof.lasts is None and proof.learns < MAX_P
            return proof.promising or (is_first and self.is_ahead(chosen, trial, untreated))

        return goes_on

    def is_ahead(self, chosen: Sequence[Treatment], trial: Trial, untreated: Trial) -> bool:
        """Return whether treatments that root causes name do better than an untreated copy that has much to gain.

        It may go wrong late: a schedule that jumps after 50 updates has no effect on the first evaluation.
        """
        if not self.is_named_by_root(chosen) or is_good(untreated.latest):
            return False
        return any(is_better(trial.evaluation, other) for other in (untreated.evaluation, untreated.latest))

    def is_named_by_root(self, chosen: Sequence[Treatment]) -> bool:
        """Return whether root causes name all of the treatments: these are trained on where they begin no better."""
        roots = {cause.finding.check for cause in self.causes}
        return all(roots & set(one.named_by) for one in chosen)

    @cached_property
    def untreated_for_longer(self) -> Trial:
        """An untreated copy that is evaluated after twice and four times the updates."""
        return self.run((), updates=TWICE * self.updates, goes_on=up_to_twice)

    def number_of_trials(self) -> int:
        """Return how many treatments had a chance to look better."""
        return max(1, sum(one.has_effect for one in self.tried))

    def better(self, best: Tried | None, other: Tried) -> Tried | None:
        """Return the better one of two, of those that are proved and remove a cause; the first one in doubt."""
        if not other.proved or not all(self.removes_cause(one) for one in other.chosen):
            return best
        if best is None:
            return other
        after_the_same = (one.trial.evaluated_after(TWICE * self.updates) for one in (best, other))
        ours, theirs = (None if evaluation is None else evaluation.correct for evaluation in after_the_same)
        if ours is None or theirs is None or len(ours) != len(theirs):
            return best
        return other if sign_test(ours, theirs) < BETTER_P else best

    def removes_cause(self, one: Treatment) -> bool:
        """Return whether a treatment acts on a cause; one that helps any network does where a finding names it."""
        named = any(finding.check in one.named_by for finding in self.findings)
        return one.role is Role.CAUSE or (one.role is Role.BOOSTER and named)

    def run(self, chosen: Sequence[Treatment], **options: Any) -> Trial:
        """Make a trial within the time that is left."""
        left = max(LEAST_SECONDS, self.until - time.monotonic())
        options = {"checks": self.checks, "updates": self.updates, "seconds": left, **options}
        return run_trial(self.subject, chosen, **options)

    def is_over(self) -> bool:
        """Return whether the time is over."""
        return time.monotonic() > self.until - LEAST_SECONDS

    def result(self, untreated: Trial, best: Tried | None, seconds: float) -> Healing:
        """Return what came of the treatments; the cure is the first row."""
        proved = [one for one in self.tried if one.proved]
        if best is not None:
            untreated = untreated if best.trial.updates == self.updates else self.untreated_for_longer
            verdict, text = Verdict.CURED, cured_text(best, untreated)
            if (shortfall := self.shortfall(best.trial)) is not None:
                verdict, text = Verdict.IMPROVED, f"{text}. Something else is wrong, too: {shortfall}"
        elif proved:
            verdict, first = Verdict.HIDDEN, proved[0]
            text = f"{first.name} makes the network learn, but it {ROLE_TEXT[first.role]}: the cause is not known"
        else:
            data = next((one.finding for one in self.causes if one.finding.check in IF_NOTHING_HEALS), None)
            verdict = Verdict.NOT_CURED if data is None else Verdict.DATA
            text = self.remaining_text(untreated, data)
        return Healing(verdict, text, copy_of(untreated, self.alarms), tuple(self.rows(best)), seconds)

    def rows(self, best: Tried | None) -> Iterator[TreatmentRow]:
        """Yield the treatments as a report shows them: the cure first, then what is proved, then the others."""
        applicable = (one for one in self.tried if one.trial.outcome is not Outcome.NOT_APPLICABLE)
        for one in sorted(applicable, key=lambda one: (one is not best, not one.proved, len(one.chosen))):
            if one.trial.outcome is Outcome.TRAINED and not self.is_over():
                one.symptoms = self.run(one.chosen, watch=WATCHED).symptoms
            yield self.row(one)

    def shortfall(self, trial: Trial) -> str | None:
        """Return how far a copy stays behind a linear map of the input; None where it does not."""
        evaluation = trial.latest
        if evaluation is None or evaluation.accuracy is None or is_good(evaluation):
            return None
        reading = linear_probe(self.subject)
        least = None if reading is None else evaluation.majority + MIN_SHARE * (reading.accuracy - evaluation.majority)
        if reading is None or least is None or evaluation.accuracy >= least:
            return None
        return f"a linear map of the input is right in {percentage(reading.accuracy)}"

    def row(self, one: Tried) -> TreatmentRow:
        """Return a trial as a report shows it."""
        proof, last = one.proof, one.trial
        named = [f"{f.check} {f.slug}" for f in self.findings if any(f.check in each.named_by for each in one.chosen)]
        return TreatmentRow(
            name=one.name,
            role=one.role.value,
            named_by=tuple(dict.fromkeys(named)),
            outcome=one.trial.outcome.value,
            reason=one.trial.reason,
            proved=one.proved,
            p_learns=None if proof is None else proof.learns,
            p_beats=None if proof is None else proof.beats,
            p_lasts=None if proof is None else proof.lasts,
            copy=copy_of(last, one.symptoms) if one.trial.losses else None,
            patch=self.in_script(last.patch),
            seconds=one.trial.seconds,
        )

    def in_script(self, patch: str) -> str:
        """Return a patch with the script's own name for the model, as the fixes of the findings have it."""
        fixes = (fix for finding in self.findings for fix in finding.fixes)
        written = personal(Fix(patch), next((fix.model for fix in fixes if fix.applies), "model"))
        return patch if written is None else written.code

    def remaining_text(self, untreated: Trial, data: Finding | None) -> str:
        """Return that nothing heals, and what remains possible; with the finding on the data, if there is one."""
        number = len([one for one in self.tried if one.trial.outcome is not Outcome.NOT_APPLICABLE])
        if learns(untreated, untreated.latest, len(untreated.losses)) < MAX_P:
            accuracy = "" if untreated.accuracy is None else f", with a held-out accuracy of {untreated.accuracy:.0%}"
            better = f"the network learns as it is{accuracy}: none of {number} treatments is proved to make it better"
            return better if data is None else f"{better}. {what_remains_of_data(data)}"
        over = "; the time was over before all of them were tried: pass more seconds=" if self.is_over() else ""
        remains = what_remains(self.subject, self.causes, self.updates) if data is None else what_remains_of_data(data)
        return f"none of {number} treatments is proved to heal it{over}. {remains}"


ROLE_TEXT = {
    Role.SYMPTOM: "hides the symptom",
    Role.BOOSTER: "helps healthy networks too, and no finding names it",
    Role.CAUSE: "removes a cause",
}


def is_good(evaluation: Evaluation | None) -> bool:
    """Return whether a copy does so well that no better treatment is looked for; also where that is not known."""
    return evaluation is None or evaluation.accuracy is None or evaluation.accuracy >= ENOUGH


def is_better(ours: Evaluation | None, theirs: Evaluation | None) -> bool:
    """Return whether more samples are right."""
    first, second = (None if one is None else one.accuracy for one in (ours, theirs))
    return first is not None and second is not None and first > second


def copy_of(trial: Trial, symptoms: Iterable[str] | None = ()) -> CopyResult:
    """Return how a copy did."""
    losses = trial.losses
    first, last = (losses[0], trial.last_loss) if losses else (None, None)
    return CopyResult(len(losses), first, last, trial.accuracy, None if symptoms is None else tuple(symptoms))


def cured_text(best: Tried, untreated: Trial) -> str:
    """Return what was proved."""
    treated = best.trial
    updates = TWICE * treated.updates
    compared = treated.evaluated_after(updates)
    if compared is None or compared.accuracy is None or treated.accuracy is None:
        return f"{best.name} makes the network learn"
    without = "an error" if untreated.accuracy is None else f"{untreated.accuracy:.0%}"
    after = f"{compared.accuracy:.0%} after {updates} updates, {without} without it"
    return f"{best.name}: held-out accuracy {after}; {treated.accuracy:.0%} after {len(treated.losses)}"


def trains_other_weights(untreated: Trial) -> bool:
    """Return whether the loss falls while the model stays as it is: its weights are kept elsewhere."""
    return not untreated.moves and untreated.last_loss < MAX_LOSS_RATIO * untreated.losses[0]


def not_evaluated(untreated: Trial, seconds: float) -> Healing:
    """Return that held-out batches tell nothing of what is trained."""
    text = (
        "the loss falls, but the weights of the model do not change: the training step keeps other weights, such as "
        "those of functional_call, so nothing can be evaluated. Pass forward=, which calls the model with them"
    )
    return Healing(Verdict.NOT_CURED, text, copy_of(untreated), (), seconds)


def healthy(untreated: Trial, shortfall: str | None, seconds: float) -> Healing:
    """Return that there is nothing to heal, with the accuracy where it leaves much to gain."""
    text = "the network learns as it is: nothing to heal"
    if not is_good(untreated.latest):
        text = (
            "the network learns as it is, and no finding says why it would have to be healed. Its held-out accuracy "
            f"is {untreated.accuracy:.0%} after {len(untreated.losses)} updates"
        ) + ("" if shortfall is None else f", and {shortfall}")
    return Healing(Verdict.HEALTHY, text, copy_of(untreated), (), seconds)


def in_the_data(finding: Finding, untreated: Trial, seconds: float) -> Healing:
    """Return that the fault is in the data."""
    text = f"the fault is in the data ({finding.check} {finding.slug}): no change of model or loop takes it back"
    return Healing(Verdict.DATA, text, copy_of(untreated, (finding.check,)), (), seconds)
