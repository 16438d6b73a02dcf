"""What it takes to call a treatment proved: three claims, each with the probability that chance alone looks like it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from spikecheck.examination.significance import binomial_tail, sign_test
from spikecheck.examination.subject import Evaluation
from spikecheck.examination.trial import Trial
from spikecheck.report.treated import MAX_P

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
    def holds(self) -> bool:
        """Whether all three hold."""
        return self.promising and self.lasts is not None and self.lasts < MAX_P


def claims(treated: Trial, untreated: Trial, tried: int) -> Proof:
    """Return the claims about a trial; the second is corrected for the number of trials so far (Bonferroni)."""
    proof = Proof(
        learns(treated, treated.evaluation), min(1.0, tried * beats(treated.evaluation, untreated.evaluation))
    )
    if treated.lasting is None:
        return proof
    later = untreated.latest
    return replace(proof, lasts=max(learns(treated, treated.lasting), beats(treated.lasting, later)))


def learns(trial: Trial, evaluation: Evaluation | None) -> float:
    """Return how probable so many right predictions are for one that always names the most frequent class.

    Where targets are no classes, 0 for a loss that fell by a fifth, else 1.
    """
    if evaluation is None:
        return 1.0
    if evaluation.correct is None:
        fell = bool(trial.losses) and trial.last_loss < MAX_LOSS_RATIO * trial.losses[0]
        return 0.0 if fell else 1.0
    return binomial_tail(sum(evaluation.correct), len(evaluation.correct), evaluation.majority)


def beats(treated: Evaluation | None, untreated: Evaluation | None) -> float:
    """Return how probable it is by chance that the treated copy is right so much more often than the untreated one.

    Where there are no classes, the losses of the batches are compared. An untreated copy that raised is right nowhere.
    """
    if treated is None:
        return 1.0
    if treated.correct is not None:
        theirs = None if untreated is None else untreated.correct
        usable = (
            theirs if theirs is not None and len(theirs) == len(treated.correct) else (False,) * len(treated.correct)
        )
        return sign_test(usable, treated.correct)
    if untreated is None:
        return 0.0
    return 0.0 if treated.loss < MAX_LOSS_RATIO * untreated.loss else 1.0
