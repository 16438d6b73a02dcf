"""What it takes to call a treatment proved: three claims, each with the probability that chance alone looks like it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite
from statistics import fmean

from spikecheck.examination.significance import binomial_tail, chance, sign_test
from spikecheck.examination.subject import Evaluation
from spikecheck.examination.trial import STAGES, Outcome, Trial
from spikecheck.report.treated import MAX_P

COMPARED = 20  # updates at the end whose losses are compared; derived: 20 of 20 are lower by chance once in a million
MAX_LOSS_RATIO = 0.8  # judgment call: for targets without classes, a loss that is lower by a fifth
MIN_KEPT = 0.8  # judgment call: of what was gained, so much is left at the end; measured: cured copies keep all of it


@dataclass(frozen=True)
class Proof:
    """Three claims about a treated copy, by their error probability; None is a claim that was not tested.

    Attributes:
        learns: it predicts held-out samples better than the most frequent class does.
        beats: it predicts more of them than the untreated copy, sample by sample; multiplied by the number of trials.
        lasts: both still hold after twice the updates, with the untreated copy trained as long, and after four times
            the updates, with nothing lost of what was gained.
        complete: whether the copy was trained for four times the updates.
    """

    learns: float
    beats: float
    lasts: float | None = None
    complete: bool = False

    @property
    def promising(self) -> bool:
        """Whether the claims hold that were tested so far, so that the rest of the third is worth its cost."""
        return max(self.learns, self.beats, self.lasts or 0.0) < MAX_P

    @property
    def comes_late(self) -> bool:
        """Whether only the second claim is missing, and holds after twice the updates."""
        return self.learns < MAX_P <= self.beats and self.lasts is not None and self.lasts < MAX_P

    @property
    def holds(self) -> bool:
        """Whether all three hold."""
        return self.promising and self.complete


def claims(treated: Trial, untreated: Trial, tried: int) -> Proof:
    """Return the claims about a trial; the second is corrected for the number of trials so far (Bonferroni)."""
    first = beats(treated, untreated, treated.evaluation, untreated.evaluation, treated.updates)
    proof = Proof(learns(treated, treated.evaluation, treated.updates), min(1.0, tried * first))
    lasts = None
    for stage, evaluation in zip(STAGES[1:], treated.evaluations[1:], strict=False):
        later = stage * treated.updates
        theirs = untreated.evaluated_after(later)
        both = (learns(treated, evaluation, later), beats(treated, untreated, evaluation, theirs, later))
        lasts = max(lasts or 0.0, *both)
    complete = len(treated.evaluations) == len(STAGES)
    if complete and fades(treated):
        lasts = 1.0
    return replace(proof, lasts=lasts, complete=complete)


def fades(trial: Trial) -> bool:
    """Return whether a copy has lost a good part of what it had gained after fewer updates."""
    *earlier, last = trial.evaluations
    if last.correct is None or last.accuracy is None:
        before, after = (trial.losses[0] - end_of(trial.losses[: stage * trial.updates]) for stage in STAGES[-2:])
        return after < MIN_KEPT * before
    best = max(earlier, key=lambda one: one.accuracy or 0.0)
    gained = (best.accuracy or 0.0) - best.majority
    by_chance = best.correct is None or sign_test(last.correct, best.correct) >= MAX_P
    return last.accuracy - last.majority < MIN_KEPT * gained and not by_chance


def end_of(losses: Sequence[float]) -> float:
    """Return the mean of the last losses."""
    return fmean(losses[-COMPARED:])


def learns(trial: Trial, evaluation: Evaluation | None, updates: int) -> float:
    """Return how probable so many right predictions are for one that always names the most frequent class.

    Where targets are no classes, 0 for a loss that fell by a fifth after so many updates, else 1.
    """
    if evaluation is None:
        return 1.0
    if evaluation.correct is None:
        losses = trial.losses[:updates]
        fell = len(losses) > COMPARED and end_of(losses) < MAX_LOSS_RATIO * losses[0]
        return 0.0 if fell else 1.0
    return chance(evaluation.correct, evaluation.majority)


def beats(treated: Trial, untreated: Trial, ours: Evaluation | None, theirs: Evaluation | None, updates: int) -> float:
    """Return how probable it is by chance that the treated copy does so much better than the untreated one.

    Held-out samples are compared one by one; where there are no classes, the losses of the last updates, which both
    copies make with the same batches and random numbers. An untreated copy that raised is right nowhere.
    """
    if ours is None:
        return 1.0
    if ours.correct is not None:
        right = None if theirs is None else theirs.correct
        if right is None or len(right) != len(ours.correct):
            right = (False,) * len(ours.correct)
        return sign_test(right, ours.correct)
    if not treated.comparable:
        return 1.0
    if untreated.outcome is not Outcome.TRAINED:
        return 0.0
    pairs = list(zip(treated.losses[:updates], untreated.losses[:updates], strict=False))[-COMPARED:]
    lower = sum(own < other or (isfinite(own) and not isfinite(other)) for own, other in pairs)
    return binomial_tail(lower, len(pairs), 0.5)
