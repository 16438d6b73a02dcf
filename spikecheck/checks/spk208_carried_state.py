"""Potentials are carried over from one batch to the next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import InputReading, StateReading, TargetReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class CarriedState(Check):
    """A spiking layer starts with the potentials that the batch before left behind.

    ## What it means
    At the first step of {enough} sequences or more, and of at least the share {share} of them, the layer's potential
    was not 0. A sequence begins after a loss or a backward pass, so that a script which calls the model once a time
    step is not meant. Pieces of one batch are not meant either: where the targets of most batches are those of the
    batch before and the input is another, a state that was back at 0 {resets} times is taken to be reset for every
    batch.

    ## Why it matters
    The potential of sample 3 of the last batch has nothing to do with sample 3 of this one. What a sample gives depends
    on what came before it: training sees noise, evaluation depends on the order of the data, and a batch of another
    size raises or, in some libraries, draws states at random. Where the old state still carries its graph, backward
    raises "backward through the graph a second time"; detaching it ends the error and not the fault.

    ## Fix
    ```python any
    layer.reset()  # whatever sets the potential back, before the first step of every batch
    ```
    ```python snntorch
    potential = layer.reset_mem()  # before the first step of every batch; with init_hidden=True: utils.reset(model)
    ```
    ```python sinabs
    layer.reset_states()  # before every batch; sinabs.reset_states(model) does it for all layers
    ```
    ```python spikingjelly
    spikingjelly.activation_based.functional.reset_net(model)  # before or after every batch
    ```
    ```python norse
    output, state = model(batch, None)  # state=None starts anew; do not pass on the state of the last batch
    ```

    ## Intended when
    The batches are successive pieces of one recording (truncated backpropagation through time, streams), or the state
    at the start is learned: `[tool.spikecheck.ignore] "SPK208" = "one long recording, cut into pieces"`
    """

    id: ClassVar = "SPK208"
    slug: ClassVar = "carried-state"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.STATE
    needs: ClassVar = (StateReading,)
    message: ClassVar = "{site} started {carried} of {sequences} sequences with potentials left over"

    enough: int = limit(3, why="taste: once may be a warm-up batch, twice an evaluation in between; three is a habit")
    share: float = limit(0.5, why="taste: a script that resets once an epoch carries in nearly all of its sequences")
    resets: int = limit(2, why="derived: the first may be the start of the run; the second is the script's own")

    def in_pieces(self, readings: Readings) -> bool:
        """Does the script train on successive pieces of each batch, and reset the state between two batches?"""
        state = readings.get(StateReading)
        moves = any(read.different > 1 for read in readings.every(InputReading).values())
        labels = [
            read
            for read in readings.every(TargetReading).values()
            if read.repeated >= max(1, self.share * (read.updates - 1))
        ]
        if not (moves and labels and state is not None):
            return False
        batches = max(read.different for read in labels)
        if batches == 1:  # of one batch, or of many with the same targets: more batches will tell
            return readings.run.live
        return state.sequences - state.carried >= min(self.resets, batches - 1)  # the latest may not be counted yet

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where most sequences began with something left over."""
        state = readings[StateReading]
        if state.carried < self.enough or state.carried < self.share * state.sequences or self.in_pieces(readings.all):
            return
        yield self.found(
            site,
            seen=Seen(
                "a potential up to {largest:.3g} before the first step, in {carried} of {sequences} sequences",
                largest=state.largest,
                carried=state.carried,
                sequences=state.sequences,
            ),
            expected=Expected(
                "a potential of 0 before the first step", because="the samples of two batches have nothing in common"
            ),
        )
