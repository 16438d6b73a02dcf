"""Potentials are carried over from one batch to the next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import InputReading, StateReading, TargetReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class CarriedState(Check):
    """A spiking layer starts a batch with the potentials of the batch before.

    ## What it means
    The membrane potentials were not reset between two batches, so the potential of sample 3 in this batch starts from
    that of sample 3 in the last batch, which has nothing to do with it. Training sees noise, and evaluation depends on
    the order of the data.

    ## Example
    ```python broken
    lif1 = snn.Leaky(beta=0.9, init_hidden=True)
    for x, y in loader:
        snn.Leaky.detach_hidden()  # cuts the graph, keeps the potentials
        loss = F.cross_entropy(model(x), y)
        loss.backward()
    ```
    ```python repaired
    from snntorch import utils

    lif1 = snn.Leaky(beta=0.9, init_hidden=True)
    for x, y in loader:
        utils.reset(model)  # all potentials back to 0
        loss = F.cross_entropy(model(x), y)
        loss.backward()
    ```

    ## Fix
    ```python any
    # sets the potential back, before every batch
    layer.reset()
    ```
    ```python snntorch
    from snntorch import utils

    # before every batch, with init_hidden=True
    utils.reset(model)
    # or so, where the script passes `mem`
    mem = layer.reset_mem()
    ```
    ```python sinabs
    # before every batch
    layer.reset_states()
    # for all layers: sinabs.reset_states(model)
    ```
    ```python spikingjelly
    from spikingjelly.activation_based import functional

    # before or after every batch
    functional.reset_net(model)
    ```
    ```python norse
    # not the state of the last batch
    output, state = model(batch, None)
    ```

    ## When it is intended
    The batches are successive pieces of one recording (streams, truncated backpropagation through time), or the initial
    state is learned.
    ```toml
    [tool.spikecheck.ignore]
    "SPK208" = "one long recording, cut into pieces"
    ```

    ## How it is decided
    A sequence begins after a loss or a backward pass, so a script that calls the model once per time step is not
    affected. It is a warning where the potential was not 0 at the first time step of {min_carried_sequences} sequences
    or more, and of at least a fraction of {max_carried_fraction} of them.

    Training within a sequence is recognized and left alone, with a backward pass per time step (online learning) or
    per piece (truncated backpropagation): where the targets of most batches are those of the batch before, and the
    input is not always the same, a state that was back at 0 {min_resets} times is taken to be reset for every batch.
    During training, there is no finding before a second batch of targets was observed.

    A batch of another size raises an error or, in some libraries, draws states at random. Where the old state still
    carries its graph, backward raises "backward through the graph a second time"; detaching the state ends that error
    and leaves this fault.
    """

    id: ClassVar = "SPK208"
    slug: ClassVar = "carried-state"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.STATE
    needs: ClassVar = (StateReading,)
    past: ClassVar = "{site} was not reset"
    message: ClassVar = (
        "{site} was not reset: {carried} of {sequences} sequences started with the potentials of the one before"
    )

    min_carried_sequences: int = limit(
        3, why="judgment call: once may be a warm-up batch, twice an evaluation in between; three times is a habit"
    )
    max_carried_fraction: float = limit(
        0.5,
        why="judgment call: a script that resets once per epoch carries state into nearly all of its sequences",
    )
    min_resets: int = limit(
        2, why="derived: the first may be the start of the run; the second is the script's own reset"
    )

    def resets_between_batches(self, readings: Readings) -> bool:
        """Return whether the script trains on successive pieces of each batch, and resets the state between batches."""
        state = readings.get(StateReading)
        input_changes = any(x.distinct_batches > 1 for x in readings.every(InputReading).values())
        labels = [
            targets
            for targets in readings.every(TargetReading).values()
            if targets.repeated_batches >= max(1, self.max_carried_fraction * (targets.updates - 1))
        ]
        if not labels or state is None:
            return False
        batches = max(targets.distinct_batches for targets in labels)
        if batches == 1:  # of one batch, or of many with the same targets: more batches will tell
            return readings.run.live
        if not input_changes:
            return False
        resets = state.sequences - state.carried_sequences
        return resets >= min(self.min_resets, batches - 1)  # the latest reset may not be counted yet

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where most sequences started with a state that was left over."""
        state = readings[StateReading]
        if state.carried_sequences < self.min_carried_sequences:
            return
        if state.carried_sequences < self.max_carried_fraction * state.sequences:
            return
        if self.resets_between_batches(readings.all):
            return
        yield self.finding(
            site,
            observed=Observed(
                "a potential of up to {largest} before the first time step, in {carried} of {sequences} sequences",
                largest=state.largest_potential,
                carried=state.carried_sequences,
                sequences=state.sequences,
            ),
            expected=Expected(
                "a potential of 0 before the first time step",
                because="the samples of two batches have nothing in common",
            ),
        )
