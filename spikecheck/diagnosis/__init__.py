"""Which findings are root causes, and which are their consequences."""

from spikecheck.diagnosis.order import precedes
from spikecheck.diagnosis.rank import Cause, Diagnosis, diagnose

__all__ = ["Cause", "Diagnosis", "diagnose", "precedes"]
