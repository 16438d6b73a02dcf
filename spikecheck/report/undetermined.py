"""What a report says of a network that does not learn where no check shows why."""

from __future__ import annotations

from collections.abc import Sequence

from spikecheck.diagnosis import SYMPTOMS, Diagnosis
from spikecheck.finding import Outcome, Unseen, UnseenKind, Verdict

LITTLE = (UnseenKind.LEARNING, UnseenKind.MOST_OF_LEARNING)
#: What holds where all of these checks passed, and found nothing earlier in the run either.
FACTS = (
    ("every layer fires", ("SPK203", "SPK204")),
    ("gradients arrive", ("SPK401", "SPK402", "SPK403")),
    ("the weights move", ("SPK408", "SPK409", "SPK414")),
    ("the learning rate looks right", ("SPK407", "SPK410", "SPK411")),
)
EXPERIMENTS = (
    "spikecheck.examine(model, batches, loss_fn, optimizer) can tell by experiment whether the fault is in the network "
    "or in the data and labels"
)


def unseen_cause(diagnosis: Diagnosis, verdicts: Sequence[Verdict], unseen: Sequence[Unseen]) -> tuple[Unseen, ...]:
    """Return that the cause was not observed, and what was ruled out, where all that is wrong are symptoms."""
    checks = {cause.finding.check for cause in diagnosis.causes}
    learns = not checks and all(one.kind not in LITTLE for one in unseen)
    if learns or not checks <= SYMPTOMS:
        return ()
    passed = {verdict.check for verdict in verdicts if verdict.outcome is Outcome.PASSED and not verdict.history}
    facts = [fact for fact, needed in FACTS if passed.issuperset(needed)]
    although = f", although {enumeration(facts)}" if facts else ""
    return (Unseen(UnseenKind.CAUSE, f"no check shows why little is learned{although}; {EXPERIMENTS}"),)


def enumeration(facts: Sequence[str]) -> str:
    """Return facts as one clause: "a, b and c"."""
    return " and ".join(filter(None, (", ".join(facts[:-1]), facts[-1])))
