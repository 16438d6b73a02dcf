"""Which findings are root causes, and which are their consequences."""

from spikecheck.diagnosis.history import may_have_caused
from spikecheck.diagnosis.order import precedes
from spikecheck.diagnosis.rank import SYMPTOMS, Cause, Diagnosis, diagnose

__all__ = ["SYMPTOMS", "Cause", "Diagnosis", "diagnose", "may_have_caused", "precedes"]
