"""A learning rate that was tried out."""

from __future__ import annotations

import math

from spikecheck.examination.experiments.rate_ladder import ScaledRates
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
        scale_rates(patient.subject, best)
        rate = best * patient.subject.optimizer.param_groups[0]["lr"]
        return Fix(
            f"# before a scheduler is made\nfor group in optimizer.param_groups:\n"
            f'    group["lr"] *= {best:g}  # now {rate:.2g}'
        )


def scale_rates(subject: Subject, factor: float) -> None:
    """Multiply the learning rates from now on, whatever a scheduler makes of them."""
    scaled = ScaledRates(factor)
    subject.optimizer.register_step_pre_hook(scaled.apply)
    subject.optimizer.register_step_post_hook(scaled.undo)


def final_loss(subject: Subject, factor: float) -> float:
    """Return the mean of the last losses with a multiple of the learning rate."""
    scale_rates(subject, factor)
    losses = subject.train(UPDATES)
    return sum(losses[-4:]) / 4
