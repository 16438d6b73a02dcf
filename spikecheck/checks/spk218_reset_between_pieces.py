"""The state is reset between the pieces of a recording."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.learning import MIN_LOSSES, has_learned_much
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import InputReading, StateReading, TargetReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class ResetBetweenPieces(Check):
    """Training goes through each recording in pieces, and every piece starts from a state of 0.

    ## What it means
    In truncated backpropagation through time, a recording is cut into pieces, with an update after each. The state has
    to go on from piece to piece, without its graph. If it is reset instead, the network forgets what came before, and a
    piece without the part that tells the classes apart cannot be classified.

    ## Example
    ```python broken
    lif1 = snn.Leaky(beta=0.9, init_hidden=True)
    for x, y in loader:
        for piece in x.split(10, dim=1):
            lif1.reset_mem()
            optimizer.zero_grad()
            F.cross_entropy(model(piece), y).backward()
            optimizer.step()
    ```
    ```python repaired
    lif1 = snn.Leaky(beta=0.9, init_hidden=True)
    for x, y in loader:
        lif1.reset_mem()
        for piece in x.split(10, dim=1):
            lif1.detach_hidden()  # keeps the potentials, without their graph
            optimizer.zero_grad()
            F.cross_entropy(model(piece), y).backward()
            optimizer.step()
    ```

    ## Fix
    ```python handwritten
    # between two pieces of one recording; mem is the attribute that holds the potential
    layer.mem = layer.mem.detach()
    ```
    ```python snntorch
    # between two pieces of one recording, with init_hidden=True
    layer.mem = layer.mem.detach()
    # or, if the script passes `mem` itself:
    mem = mem.detach()
    ```
    ```python sinabs
    import sinabs

    # between two pieces of one recording
    sinabs.zero_grad(model)
    ```
    ```python spikingjelly
    from spikingjelly.activation_based import functional

    # between two pieces of one recording
    functional.detach_net(model)
    ```
    ```python norse
    # between two pieces of one recording, before the state is passed on: the same values, without their graph
    state = type(state)(*(part.detach() for part in state))
    ```

    ## When it is intended
    Each update sees the same batch in another way, such as another crop or another draw of a rate code.
    ```toml
    [tool.spikecheck.ignore]
    "SPK218" = "three crops of each batch"
    ```

    ## How it is decided
    spikecheck takes batches for pieces of one recording if their targets are those of the batch before in
    {min_repeated_fraction:%} of the updates or more, while there are several different targets and inputs. A finding
    needs {min_updates} updates like that and {min_sequences} sequences that all started at 0, in a network that has not
    learned much: its loss is above half of that of a guess.
    """

    id: ClassVar = "SPK218"
    slug: ClassVar = "reset-between-pieces"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.STATE
    needs: ClassVar = (StateReading,)
    explains: ClassVar = ("SPK302", "SPK309", "SPK312", "SPK313")
    past: ClassVar = "{site} was reset between pieces of a recording"
    message: ClassVar = "{site} starts from 0 with every piece of a recording ({repeated} of {updates} batches go on)"

    min_repeated_fraction: float = limit(
        0.6, why="derived: two passes per batch, as in sharpness-aware minimization, give 0.5, three pieces 0.67"
    )
    min_updates: int = limit(MIN_LOSSES, why="judgment call: before, nobody can expect learning")
    min_sequences: int = limit(8, why="judgment call: two recordings of four pieces")

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where successive batches have the same targets, and no state goes on from one to the next."""
        state = readings.all[StateReading]
        if state.carried_sequences or state.sequences < self.min_sequences or has_learned_much(readings):
            return
        inputs = [one.distinct_batches for one in readings.all.every(InputReading).values()]
        for targets in readings.all.every(TargetReading).values():
            several = targets.distinct_batches > 1 and max(inputs, default=0) > 1
            repeated = targets.repeated_batches >= self.min_repeated_fraction * (targets.updates - 1)
            if several and repeated and targets.updates >= self.min_updates:
                yield self.finding(
                    site,
                    observed=Observed(
                        "a potential of 0 at the start of all {sequences} sequences; {repeated} of {updates} batches "
                        "have the targets of the batch before, with other inputs",
                        sequences=state.sequences,
                        repeated=targets.repeated_batches,
                        updates=targets.updates,
                    ),
                    expected=Expected(
                        "a potential that goes on from one piece to the next",
                        because="a network that forgets the first pieces can only guess at the last ones",
                    ),
                )
                return
