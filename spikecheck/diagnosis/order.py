"""Which finding can have caused which: a cause is earlier in training, or upstream in the data flow."""

from __future__ import annotations

from spikecheck.finding import Finding
from spikecheck.site import FORWARD_KINDS, SiteKind

BACKWARD = SiteKind.GRADIENT
APPLIED = SiteKind.UPDATE  # its effect shows in the next forward pass at the earliest
VALUES = FORWARD_KINDS | SiteKind.PARAMETER | SiteKind.MODULE | SiteKind.BATCH_NORM_OR_DROPOUT
FLOW = (
    SiteKind.MODULE,
    SiteKind.BATCH_NORM_OR_DROPOUT,
    SiteKind.PARAMETER,
    SiteKind.STATE,
    SiteKind.MEMORY,
    SiteKind.INPUT,
    SiteKind.CURRENT,
    SiteKind.POTENTIAL,
    SiteKind.SPIKES,
)


def precedes(cause: Finding, effect: Finding) -> bool:
    """Return whether `cause` comes before `effect`, in time and in the data flow.

    Within one update, values flow from the input to the loss, and gradients from the loss to the input: a finding of
    the forward pass precedes every gradient, a gradient precedes the update. Across updates, the earlier finding
    precedes.
    """
    return cause.key != effect.key and place(cause) <= place(effect)


def place(finding: Finding) -> tuple[int, int, tuple[int, int, int]]:
    """Return when and where a finding belongs: the update, the pass, the place in it."""
    return finding.when.update, phase(finding), place_in_pass(finding)


def phase(finding: Finding) -> int:
    """Return 0 for the forward pass, 1 for the backward pass, 2 for the update, 3 for the run as a whole."""
    kind = finding.site.kind
    if kind in VALUES or kind is SiteKind.UNUSED_GRADIENT:  # no update was made: it was so from the start
        return 0
    return 1 if kind is BACKWARD else 2 if kind is APPLIED else 3


def place_in_pass(finding: Finding) -> tuple[int, int, int]:
    """Return the place in the pass: module, then current before potential before spikes, then time step.

    A backward pass goes through the modules from the last to the first.
    """
    kind = finding.site.kind
    position = -finding.site.position if kind is BACKWARD else finding.site.position
    return position, FLOW.index(kind) if kind in FLOW else len(FLOW), finding.when.time_step or 0
