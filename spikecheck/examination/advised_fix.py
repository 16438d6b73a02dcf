"""The code that a finding advises."""

from __future__ import annotations

from spikecheck.examination.treatments.base import Patient, Treatment
from spikecheck.finding import Finding, Fix


class AdvisedFix(Treatment):
    """Run the code that a finding advises for the model."""

    name = "the advised code"

    def __init__(self, finding: Finding, fix: Fix) -> None:
        self.fix = fix
        self.name = f"the code that {finding.check} {finding.slug} advises at {finding.site}"  # type: ignore[misc]
        self.named_by = (finding.check,)  # type: ignore[misc]

    def apply(self, patient: Patient) -> Fix:
        """Run it."""
        self.fix.apply(patient.subject.model)
        return self.fix
