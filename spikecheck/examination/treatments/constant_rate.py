"""The learning rate that the optimizer was made with."""

from __future__ import annotations

from spikecheck.examination.treatments.base import NotApplicableError, Patient, Role, Treatment
from spikecheck.finding import Fix


class ConstantRate(Treatment):
    """Keep the learning rate that the optimizer was made with, whatever a scheduler makes of it."""

    name = "constant learning rate"
    named_by = ("SPK407", "SPK410", "SPK409")
    role = Role.BOOSTER
    early_stop = False  # a scheduler may go wrong late
    needs_step = True

    def apply(self, patient: Patient) -> Fix:
        """Put the rates back before each update."""
        optimizer = patient.subject.optimizer
        rates = [group.get("initial_lr") for group in optimizer.param_groups]  # what a scheduler notes when it is made
        if patient.subject.step is None or None in rates:
            raise NotApplicableError("there is no scheduler")

        def hold(*args: object) -> None:
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate

        optimizer.register_step_pre_hook(hold)
        return Fix("# without scheduler.step(): the learning rate stays at what the optimizer was made with")
