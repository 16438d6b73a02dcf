"""The exceptions and the warning that a user of spikecheck meets.

SpikecheckError            a request cannot be carried out: the message says what was wrong, where, and what to do
├── FindingError           a check fired, and the user asked to be stopped there (on_finding="raise")
├── UnreadableError        a file cannot be read as a checkpoint
└── EvidenceError          the evidence of a run, stored in a checkpoint, cannot be used
SpikecheckWarning          a check fired during training (UserWarning)
"""

from __future__ import annotations

from spikecheck.outside_text import MAX_SENTENCE, safe

MAX_LINE = 2000  # characters: of a message that lists names


class SpikecheckError(Exception):
    """A request to spikecheck cannot be carried out; the message says why and what would help.

    The `message` may quote settings, names and texts of other packages: each line becomes printable.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__("\n".join(safe(line, MAX_LINE) for line in str(message).split("\n")))


class FindingError(SpikecheckError):
    """A check fired, and `on_finding="raise"` asked to stop the training there."""


class SpikecheckWarning(UserWarning):
    """A check fired while the model was training."""


class OutsideError(SpikecheckError):
    """The fault of a file: its names are in the message, which becomes one short line of printable characters."""

    def __init__(self, message: str) -> None:
        super().__init__(safe(message, MAX_SENTENCE))


class UnreadableError(OutsideError):
    """A file cannot be read as a checkpoint; the message says why, without the file's name."""


class EvidenceError(OutsideError):
    """The evidence of a run in a checkpoint cannot be used; the message says why, without the file's name."""
