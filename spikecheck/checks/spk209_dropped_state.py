"""A layer that loses its state at every step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import DriveReading, MemoryReading
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class DroppedState(Check):
    """A layer starts every step from a potential of 0.

    ## What it means
    The layer is called once a step, and in all forwards, of {forwards} at least, it went on from no state, or from a
    state of 0 only, in the last call that was looked at: the fifth, ninth, seventeenth ... of a forward. Or, in a layer
    written by hand, it was given a state and did not use it: neurons that did not spike handed on a multiple of the
    step's current and nothing else, of {telling} at least whose state was no such multiple, and one threshold on the
    current tells all spikes. A layer that nothing but zeros comes to has nothing to remember, and is passed over.

    ## Why it matters
    A neuron without state adds nothing up: each step is compared with the threshold alone, and what came before is
    lost. Layers whose input is scaled for adding up over time are silent. The state was not handed on to the next call,
    or a reset stands inside the loop over time.

    ## Fix
    ```python any
    state = None
    for x_t in x.unbind(1):
        out, state = layer(x_t, state)  # hand the state on; reset it before the loop, not in it
    ```
    ```python snntorch
    mem = layer.init_leaky()  # before the loop over time
    for x_t in x.unbind(1):
        spikes, mem = layer(x_t, mem)
    ```
    ```python norse
    state = None
    for x_t in x.unbind(1):
        out, state = layer(x_t, state)  # None starts anew, so hand the state on
    ```
    ```python spikingjelly
    functional.reset_net(model)  # once a batch, before or after the loop over time, and never in it
    ```
    ```python sinabs
    layer.reset_states()  # once a batch, before the loop over time, and never in it
    ```

    ## Intended when
    The layer is shared by many branches, each of which starts anew: `[tool.spikecheck.ignore] "SPK209:lif1" = "one call
    a patch"`
    """

    id: ClassVar = "SPK209"
    slug: ClassVar = "dropped-state"
    severity: ClassVar = Severity.ERROR
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.MEMORY
    needs: ClassVar = (MemoryReading,)
    message: ClassVar = "{site} starts anew in every step: {why}"

    forwards: int = limit(3, why="derived: a forward whose first steps hold nothing may have nothing to remember")
    telling: int = limit(
        100, why="taste: where a state is added, not one of them agrees with a multiple of the current to five digits"
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where no forward held any state in its middle, or none that was handed in was used."""
        memory = readings[MemoryReading]
        first = readings.first.get(MemoryReading) or memory
        drive = readings.get(DriveReading)
        idle = drive is not None and drive.rms == 0  # nothing comes in, so that there is nothing to remember
        ignored = memory.ignored == memory.telling >= self.telling
        if idle or memory.forwards < self.forwards or (memory.held and not ignored):
            return
        since_the_start = first.ignored == first.telling > 0 if ignored else not first.held
        yield self.found(
            site,
            seen=Seen(
                "of {telling} neurons with a state and without a spike, {used} handed on anything of that state"
                if ignored
                else "{held} of {forwards} forwards went on from a state other than 0",
                held=memory.held,
                forwards=memory.forwards,
                telling=memory.telling,
                used=memory.telling - memory.ignored,
            ),
            expected=Expected(
                "a potential other than 0 in the middle of a sequence", because="a neuron adds up over the steps"
            ),
            when=Moment(0) if since_the_start else None,
            weight=1,
            why="the state it is given is not used" if ignored else "its state is 0 in the middle of a forward",
        )
