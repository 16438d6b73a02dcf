"""A batch that gives another output the second time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.experiment_readings import RepeatedBatchReading
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class LeakingState(Check):
    """The same batch gives another output when it is passed a second time.

    ## What it means
    The neurons start a batch with the potentials that the batch before left. The output for a sample then depends on
    what was shown before it, and PyTorch may raise "Trying to backward through the graph a second time".

    ## Example
    ```python broken
    for x, y in loader:
        loss = criterion(model(x), y)  # the layers keep their state
    ```
    ```python repaired
    for x, y in loader:
        model.reset()  # as the library calls it
        loss = criterion(model(x), y)
    ```

    ## Fix
    ```python snntorch
    from snntorch import utils

    # at the beginning of forward(), or before every batch
    utils.reset(model)
    ```
    ```python sinabs
    # at the beginning of forward(), or before every batch
    model.reset_states()
    ```
    ```python rockpool
    # at the beginning of forward(), or before every batch
    layer.reset_state()
    ```
    ```python spikingjelly
    from spikingjelly.activation_based import functional

    # before or after every batch
    functional.reset_net(model)
    ```
    ```python any
    # at the beginning of forward(): every state back to where it starts
    ```

    ## When it is intended
    The batches are pieces of one recording. Or the training loop resets the state: then pass it to `examine()` as
    `step=`, or the reset with the call as `forward=`.
    ```toml
    [tool.spikecheck.ignore]
    "SPK602" = "one long recording, cut into pieces"
    ```

    ## How it is decided
    `spikecheck.examine` passes a batch to a copy of the network, then another batch, then the first one again, with the
    same random numbers each time. With `step=`, the training step passes them with the same weights and a learning rate
    of 0, and the losses are compared; otherwise the outputs in evaluation mode. The check fires if they differ by more
    than {max_relative_change:%}. It is an error if modules hold other tensors after a pass than before it, which is the
    state, or if the second pass raises. It is a note in two cases: no module holds another tensor, since a random
    number generator of the model's own has the same effect; or the layers have a method that resets them, and neither
    `step=` nor `forward=` was passed, since your loop may call it. In the second case, all other
    experiments call that method before each forward pass.
    """

    id: ClassVar = "SPK602"
    slug: ClassVar = "leaking-state"
    severity: ClassVar = Severity.ERROR
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.EXPERIMENT
    needs: ClassVar = (RepeatedBatchReading,)
    explains: ClassVar = ("SPK208", "SPK213", "SPK302", "SPK312")
    message: ClassVar = "the same batch gives another {what} the second time: {how}"

    max_relative_change: float = limit(
        1e-4, why="judgment call: the same operations on the same numbers differ by less"
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where the second pass was different."""
        reading = readings[RepeatedBatchReading]
        changed = reading.largest_change > self.max_relative_change
        if not changed and not reading.error:
            return
        certain = bool(reading.holders or reading.error) and not reading.resettable
        what = "loss" if reading.by_own_step else "output"
        if reading.error:
            observed = Observed("the second pass raised {error}", error=reading.error)
            how = "it raises an error"
        else:
            observed = Observed(
                "the {what} changed by {change:%}; other tensors are held by {holders}",
                what=what,
                change=reading.largest_change,
                holders=", ".join(reading.holders) or "no module",
            )
            how = f"state of {', '.join(reading.holders[:1])}" if reading.holders else "by a state or a random number"
        yield self.finding(
            site,
            severity=self.severity if certain else Severity.NOTE,
            observed=observed,
            expected=Expected("the same {what}", what=what, because="what came before says nothing about a sample"),
            when=Moment(),
            what=what,
            how=how,
        )
