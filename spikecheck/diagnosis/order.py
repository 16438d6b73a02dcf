"""Which finding can have caused which: what comes before in training, or upstream in the data flow."""

from __future__ import annotations

from spikecheck.finding import Finding
from spikecheck.site import FORWARD_KINDS, SiteKind

BACKWARD = SiteKind.GRADIENT
APPLIED = SiteKind.UPDATE  # its effect shows in the next forward at the earliest
VALUES = FORWARD_KINDS | SiteKind.PARAMETER | SiteKind.MODULE
FLOW = (
    SiteKind.MODULE,
    SiteKind.PARAMETER,
    SiteKind.STATE,
    SiteKind.MEMORY,
    SiteKind.INPUT,
    SiteKind.CURRENT,
    SiteKind.POTENTIAL,
    SiteKind.SPIKES,
)


def precedes(cause: Finding, effect: Finding) -> bool:
    """Can `cause` have come before `effect`, by time and by the flow of data?

    Within one update, values flow from the input to the loss, and gradients from the loss to the input: a forward
    finding precedes every gradient, a gradient precedes the update. Over updates, whatever came earlier precedes.
    """
    return cause.key != effect.key and place(cause) <= place(effect)


def place(finding: Finding) -> tuple[int, int, tuple[int, int, int]]:
    """When and where: the update, the pass, the place in it."""
    return finding.when.update, phase(finding), along(finding)


def phase(finding: Finding) -> int:
    """0 in the forward pass, 1 in the backward pass, 2 in the optimizer's step, 3 for the run as a whole."""
    kind = finding.site.kind
    if kind in VALUES:
        return 0
    return 1 if kind is BACKWARD else 2 if kind is APPLIED else 3


def along(finding: Finding) -> tuple[int, int, int]:
    """The place in the pass: module, then current before potential before spikes, then time step.

    A backward pass goes through the modules from the last to the first.
    """
    kind = finding.site.kind
    position = -finding.site.position if kind is BACKWARD else finding.site.position
    return position, FLOW.index(kind) if kind in FLOW else len(FLOW), finding.when.time_step or 0
