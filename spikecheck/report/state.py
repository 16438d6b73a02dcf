"""What a report comes to, and what has to be observed before a run is called healthy."""

from __future__ import annotations

from enum import Enum

from spikecheck.finding import UnseenKind


class ReportState(Enum):
    """What a report comes to."""

    PROBLEMS = "problems"  # a warning or an error holds
    TOO_LITTLE = "too little observed"  # no training or no learning was observed, or no spiking layer
    CLEAN = "clean"  # enough was observed, and nothing above a note holds


#: That no loss shows any learning.
UNLEARNED = (UnseenKind.LEARNING, UnseenKind.UNCLEAR_LEARNING)

#: What has to be observed of a run before it is called healthy.
NEEDED = (
    UnseenKind.FORWARD_PASS,
    UnseenKind.SPIKING_LAYER,
    UnseenKind.LOSS,
    UnseenKind.BACKWARD_PASS,
    UnseenKind.UPDATE,
    *UNLEARNED,
)
