"""Which treatments are tried, and in which order: what findings name first, then a small core, then combinations."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from spikecheck.examination.advised_fix import AdvisedFix
from spikecheck.examination.proof import Proof
from spikecheck.examination.treatments.base import Role, Treatment, treatments
from spikecheck.examination.trial import Outcome, Trial
from spikecheck.finding import Finding

MAX_PAIRED = 4  # judgment call: pairs are made of this many treatments, those with the lowest losses


@dataclass
class Tried:
    """A trial with its proof."""

    chosen: tuple[Treatment, ...]
    trial: Trial
    proof: Proof | None = None
    symptoms: tuple[str, ...] | None = None  # the checks that still fire; None where it was not watched

    @property
    def name(self) -> str:
        """The names of the treatments."""
        return " + ".join(one.name for one in self.chosen)

    @property
    def role(self) -> Role:
        """What they do together: one that hides a symptom is enough to say so."""
        return max((one.role for one in self.chosen), key=list(Role).index)

    @property
    def proved(self) -> bool:
        """Whether all three claims hold."""
        return self.proof is not None and self.proof.holds

    @property
    def has_effect(self) -> bool:
        """Whether the copy was trained, and did not do the same as the untreated one."""
        return self.trial.outcome in (Outcome.TRAINED, Outcome.NO_BETTER)


def candidates(findings: Sequence[Finding]) -> Iterator[tuple[int, Treatment]]:
    """Yield single treatments in the order of the trials, with a rank: the place of the finding that names them.

    Those that no finding names come next, and those that hide a symptom last.
    """
    yielded: set[str] = set()
    others = len(findings)
    for rank, finding in enumerate(findings):
        for one in (*advised(finding), *fitting(finding)):
            if (key := key_of(one)) not in yielded:
                yielded.add(key)
                yield rank, one
    for one in sorted(treatments(), key=lambda one: (one.role is Role.BOOSTER, not one.needs_step)):
        if one.core and one.name not in yielded:
            yielded.add(one.name)
            yield others, one
    checks = {finding.check for finding in findings}
    for one in treatments():
        if one.role is Role.SYMPTOM and set(one.named_by) & checks:
            yield others + 1, one


def advised(finding: Finding) -> list[Treatment]:
    """Return the code that a finding advises, where it can be run on a model."""
    return [AdvisedFix(finding, fix) for fix in finding.fixes if fix.applies]


def fitting(finding: Finding) -> list[Treatment]:
    """Return the treatments that a finding names, those that are most specific to it first.

    One that helps any network comes after those that remove a cause, unless it is made for this very finding.
    """
    named = [one for one in treatments() if finding.check in one.named_by and one.role is not Role.SYMPTOM]

    def place(one: Treatment) -> tuple[bool, int]:
        index = one.named_by.index(finding.check)
        return one.role is Role.BOOSTER and index > 0, index

    return sorted(named, key=place)


def key_of(one: Treatment) -> str:
    """Return what two treatments share that do the same: findings of several layers advise the same lines."""
    return "\n".join(sorted(one.fix.code.splitlines())) if isinstance(one, AdvisedFix) else one.name


def combinations(tried: Sequence[Tried]) -> Iterator[tuple[Treatment, ...]]:
    """Yield pairs of the treatments that changed something, those with the lowest losses first; then all."""
    useful = [
        one for one in tried if one.has_effect and len(one.chosen) == 1 and one.chosen[0].role is not Role.SYMPTOM
    ]
    useful.sort(key=lambda one: one.trial.last_loss if math.isfinite(one.trial.last_loss) else math.inf)
    singles = [one.chosen[0] for one in useful]
    for second in range(1, min(MAX_PAIRED, len(singles))):
        for first in range(second):
            yield singles[first], singles[second]
    if len(singles) > 2:
        yield tuple(singles)
