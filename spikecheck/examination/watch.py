"""Watch an unchanged copy train: what the checks find, and whether it learns."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

from spikecheck import api
from spikecheck.examination.isolation import described
from spikecheck.examination.significance import chance
from spikecheck.examination.subject import Evaluation, OutOfTimeError, Subject, seed_everything
from spikecheck.experiment_readings import LearningReading
from spikecheck.report.treated import MAX_P

UPDATES = 64  # the grace period of the checks: findings that training repairs are over by then
MIN_FALL = 0.2  # judgment call: of a loss without classes, whose level for a constant output is not known


@dataclass(frozen=True)
class Untreated:
    """An unchanged copy: the evidence of a monitor, the losses, and evaluations before and after."""

    evidence: dict[str, Any]
    losses: tuple[float, ...]
    before: Evaluation
    after: Evaluation
    error: str = ""  # what an update raised; the copy was trained until then
    evaluation_error: str = ""  # what an evaluation on held-out batches raised

    @property
    def updates(self) -> int:
        """The number of updates that were made."""
        return len(self.losses)

    @property
    def reading(self) -> LearningReading:
        """Whether it learned."""
        before, after = self.before, self.after
        return LearningReading(
            self.updates,
            before.loss if before.losses else None,
            after.loss if after.losses else None,
            after.accuracy,
            None if after.accuracy is None else after.majority,
            learned(before, after),
        )


def learned(before: Evaluation, after: Evaluation) -> bool | None:
    """Return whether an evaluation is that of a network that learned; None where nothing was held out."""
    if after.correct is not None:
        return chance(after.correct, after.majority) < MAX_P
    if not before.losses or not after.losses:
        return None
    return math.isfinite(after.loss) and after.loss < (1 - MIN_FALL) * before.loss


def watch(subject: Subject, seconds: float) -> Untreated:
    """Train the subject, with a monitor attached, for at most so long; meant to run in a copy."""
    until = time.monotonic() + seconds
    model, losses, error = subject.model, [], ""
    before, _ = evaluated(subject)
    model.train()
    seed_everything()
    with api.attach(model, every=1, on_finding=lambda finding: None) as monitor:
        for batch in subject.cycle(UPDATES):
            try:
                losses.append(subject.update(batch))
            except OutOfTimeError:
                break
            except Exception as raised:  # noqa: BLE001 - the user's code may raise anything: the report names it
                error = described(raised)
                break
            if time.monotonic() > until or subject.has_learned(losses):
                break
        after, problem = evaluated(subject)  # watched as well: layers may do something else there
        evidence = monitor.state_dict()
    return Untreated(evidence, tuple(losses), before, after, error, problem)


def evaluated(subject: Subject) -> tuple[Evaluation, str]:
    """Return an evaluation on held-out batches; an empty one, and the error, where the user's code raises."""
    try:
        return subject.evaluate(), ""
    except OutOfTimeError:
        return Evaluation(()), ""
    except Exception as raised:  # noqa: BLE001 - the user's code may raise anything: the report names it
        return Evaluation(()), described(raised)
