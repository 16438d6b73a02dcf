"""What it takes to call a treatment proved: three claims, each with the probability that chance alone looks like it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite
from statistics import fmean

from spikecheck.examination.significance import binomial_tail, chance, sign_test
from spikecheck.examination.subject import Evaluation
from spikecheck.examination.trial import LASTING, Outcome, Trial
from spikecheck.report.treated import MAX_P

COMPARED = 20  # updates at the end whose losses are compared; derived: 20 of 20 are lower by chance once in a million
MAX_LOSS_RATIO = 0.8  # judgment call: for targets without classes, a loss that is lower by a fifth


@dataclass(frozen=True)
class Proof:
    """Three claims about a treated copy, by their error probability; None is a claim that was not tested.

    Attributes:
        learns: it predicts held-out samples better than the most frequent class does.
        beats: it predicts more of them than the untreated copy, sample by sample; multiplied by the number of trials.
        lasts: both still hold after twice the updates, with the untreated copy trained as long.
    """

    learns: float
    beats: float
    lasts: float | None = None

    @property
    def promising(self) -> bool:
        """Whether the first two claims hold, so that the third is worth its cost."""
        return self.learns < MAX_P and self.beats < MAX_P

    @property
    def comes_late(self) -> bool:
        """Whether only the second claim is missing, and holds after twice the updates."""
        return self.learns < MAX_P <= self.beats and self.lasts is not None and self.lasts < MAX_P

    @property
    def holds(self) -> bool:
        """Whether all three hold."""
        return self.promising and self.lasts is not None and self.lasts < MAX_P


def claims(treated: Trial, untreated: Trial, tried: int) -> Proof:
    """Return the claims about a trial; the second is corrected for the number of trials so far (Bonferroni)."""
    first = beats(treated, untreated, treated.evaluation, untreated.evaluation, treated.updates)
    proof = Proof(learns(treated, treated.evaluation, treated.updates), min(1.0, tried * first))
    if treated.lasting is None:
        return proof
    later = LASTING * treated.updates
    lasting = beats(treated, untreated, treated.lasting, untreated.latest, later)
    return replace(proof, lasts=max(learns(treated, treated.lasting, later), lasting))


def learns(trial: Trial, evaluation: Evaluation | None, updates: int) -> float:
    """Return how probable so many right predictions are for one that always names the most frequent class.

    Where targets are no classes, 0 for a loss that fell by a fifth after so many updates, else 1.
    """
    if evaluation is None:
        return 1.0
    if evaluation.correct is None:
        losses = trial.losses[:updates]
        fell = len(losses) > COMPARED and fmean(losses[-COMPARED:]) < MAX_LOSS_RATIO * losses[0]
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
