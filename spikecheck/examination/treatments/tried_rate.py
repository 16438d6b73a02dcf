"""A learning rate that was tried out."""

from __future__ import annotations

import math

from spikecheck.examination.isolation import run_isolated
from spikecheck.examination.subject import Subject
from spikecheck.examination.treatments.base import NotApplicableError, Patient, Role, Treatment
from spikecheck.finding import Fix

FACTORS = (0.001, 0.01, 0.1, 10.0, 100.0, 1000.0)
UPDATES = 15  # of each; measured: enough to tell rates apart that differ by ten
SECONDS = 6.0  # of each


class TriedRate(Treatment):
    """Take the learning rate, of a thousandth to a thousand times, with the lowest loss after 15 updates."""

    name = "learning rate from a ladder"
    named_by = ("SPK609", "SPK407", "SPK410", "SPK409", "SPK411", "SPK403", "SPK412", "SPK502")
    role = Role.BOOSTER

    def apply(self, patient: Patient) -> Fix:
        """Try the rates on copies, and set the best one."""
        patient.subject.require_time()
        losses = {}
        for factor in (1.0, *FACTORS):
            result = run_isolated(lambda own, by=factor: final_loss(own, by), patient.subject, seconds=SECONDS)  # type: ignore[misc]
            if result.failure is None and result.value is not None and math.isfinite(result.value):
                losses[factor] = result.value
        best = min(losses, key=lambda factor: losses[factor], default=1.0)
        if best == 1.0:
            raise NotApplicableError("no other learning rate has a lower loss")
        groups = patient.subject.optimizer.param_groups
        for group in groups:
            group["lr"] *= best
        return Fix(f'for group in optimizer.param_groups:\n    group["lr"] *= {best:g}  # now {groups[0]["lr"]:.2g}')


def final_loss(subject: Subject, factor: float) -> float:
    """Return the mean of the last losses with a multiple of the learning rate."""
    for group in subject.optimizer.param_groups:
        group["lr"] *= factor
    losses = subject.train(UPDATES)
    return sum(losses[-4:]) / 4
