"""Batch normalization that evaluates as it trains."""

from __future__ import annotations

from torch import nn

from spikecheck.examination.treatments.base import NotApplicableError, Patient, Treatment, code_path
from spikecheck.finding import Fix


class BatchStatistics(Treatment):
    """Evaluate batch normalization with the statistics of the batch, not with its running ones."""

    name = "batch statistics in evaluation"
    named_by = ("SPK216", "SPK214", "SPK217")
    early_stop = False

    def apply(self, patient: Patient) -> Fix:
        """Take the running statistics out."""
        named = patient.subject.model.named_modules()
        norms = [name for name, one in named if isinstance(one, nn.modules.batchnorm._BatchNorm)]
        if not norms:
            raise NotApplicableError("there is no batch normalization")
        return patient.run(code(code_path(name)) for name in norms)


def code(path: str) -> str:
    """Return the code for one normalization."""
    return (
        f"{path}.track_running_stats = False\n{path}.running_mean = None\n{path}.running_var = None\n"
        f"{path}.num_batches_tracked = None"
    )
