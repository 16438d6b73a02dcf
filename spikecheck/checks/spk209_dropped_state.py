"""A layer that loses its state at every step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import MemoryReading
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class DroppedState(Check):
    """A layer starts every step from a potential of 0.

    ## What it means
    The layer is called once a step, and in all forwards, of {forwards} at least, it went on from no state, or from a
    state of 0 only, in the last call that was looked at: the fifth, ninth, seventeenth ... of a forward.

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
    message: ClassVar = "{site} starts anew in every step: {held} of {forwards} forwards held any state"

    forwards: int = limit(3, why="derived: a forward whose first steps hold nothing may have nothing to remember")

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where no forward held any state in its middle."""
        memory = readings[MemoryReading]
        first = readings.first.get(MemoryReading) or memory
        if memory.held or memory.forwards < self.forwards:
            return
        yield self.found(
            site,
            seen=Seen(
                "{held} of {forwards} forwards went on from a state other than 0",
                held=memory.held,
                forwards=memory.forwards,
            ),
            expected=Expected(
                "a potential other than 0 in the middle of a sequence", because="a neuron adds up over the steps"
            ),
            when=None if first.held else Moment(0),
            weight=1,
        )
