"""A plain training loop."""

from __future__ import annotations

from spikecheck.examination.treatments.base import NotApplicableError, Patient, Treatment
from spikecheck.finding import Fix


class PlainLoop(Treatment):
    """Train with a plain loop in place of the user's own training step."""

    name = "plain training loop"
    named_by = ("SPK413", "SPK414", "SPK415", "SPK418", "SPK214", "SPK411", "SPK409", "SPK213")
    core = True
    changes_loss = True  # the label may reach the output in the user's step, and nowhere else
    needs_step = True

    def apply(self, patient: Patient) -> Fix:
        """Leave the user's step out."""
        if patient.subject.step is None:
            raise NotApplicableError("the updates are those of a plain loop already")
        patient.require_plain_step()
        return Fix(
            "model.train()\nfor x, y in loader:\n    optimizer.zero_grad()\n    loss = loss_fn(model(x), y)\n"
            "    loss.backward()\n    optimizer.step()"
        )
