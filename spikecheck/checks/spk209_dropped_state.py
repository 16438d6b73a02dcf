"""A layer that loses its state at every step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import DriveReading, MemoryReading
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class DroppedState(Check):
    """A spiking layer loses its state at every time step.

    ## What it means
    The layer starts every time step from a potential of 0, so it adds nothing up: each step is compared with the
    threshold alone, and what came before is lost. Either the state was not passed on to the next call, or a reset
    stands inside the loop over time.

    ## Example
    ```python broken
    for x_t in x.unbind(1):
        mem = lif1.reset_mem()  # inside the loop: every step starts from 0
        spikes, mem = lif1(fc1(x_t), mem)
    ```
    ```python repaired
    mem = lif1.reset_mem()  # before the loop
    for x_t in x.unbind(1):
        spikes, mem = lif1(fc1(x_t), mem)
    ```

    ## Fix
    ```python any
    # before the loop over time, not in it
    state = None
    for x_t in x.unbind(1):
        # pass the state on
        out, state = layer(x_t, state)
    ```
    ```python snntorch
    # before the loop over time, not in it
    mem = layer.reset_mem()
    for x_t in x.unbind(1):
        spikes, mem = layer(x_t, mem)
    ```
    ```python norse
    # before the loop over time, not in it
    state = None
    for x_t in x.unbind(1):
        # None starts from rest
        out, state = layer(x_t, state)
    ```
    ```python spikingjelly
    from spikingjelly.activation_based import functional

    # once per batch, not in the loop over time
    functional.reset_net(model)
    ```
    ```python sinabs
    # once per batch, not in the loop over time
    layer.reset_states()
    ```

    ## When it is intended
    The layer is shared by many branches, each of which starts from rest.
    ```toml
    [tool.spikecheck.ignore]
    "SPK209:lif1" = "one call per patch"
    ```

    ## How it is decided
    The layer is called once per time step. It is an error where, in every forward pass, and over {min_forward_passes}
    of them at least, the state that a call started from was missing or 0. The state is sampled in calls 5, 9, 17, ...
    of a forward pass, and the last of these counts.

    For a hand-written layer it is also an error where the state was passed in and not used: of at least
    {min_informative_elements} neurons that did not spike and whose state was not a multiple of the step's input
    current, each one handed on a multiple of the current and nothing else, and a single threshold on the current
    explains all spikes. A layer that gets nothing but zeros has nothing to remember and is skipped.

    Without their state, layers whose input is scaled for adding up over time are silent.
    """

    id: ClassVar = "SPK209"
    slug: ClassVar = "dropped-state"
    severity: ClassVar = Severity.ERROR
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.MEMORY
    needs: ClassVar = (MemoryReading,)
    past: ClassVar = "{site} kept no state between time steps"
    message: ClassVar = "{site} keeps no state between time steps: {why}"

    min_forward_passes: int = limit(
        3, why="derived: a forward pass whose first time steps are empty may have nothing to remember"
    )
    min_informative_elements: int = limit(
        100,
        why="judgment call: where a state is added, not one of them is a multiple of the current to five digits",
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where no forward pass had a state in its middle, or where the state passed in is not used."""
        memory = readings[MemoryReading]
        first = readings.first.get(MemoryReading) or memory
        drive = readings.get(DriveReading)
        has_no_input = drive is not None and drive.rms == 0  # then there is nothing to remember
        ignores_state = memory.memoryless_elements == memory.informative_elements >= self.min_informative_elements
        if has_no_input or memory.forward_passes < self.min_forward_passes:
            return
        if memory.stateful_forward_passes and not ignores_state:
            return
        since_the_start = not first.stateful_forward_passes
        if ignores_state:
            since_the_start = first.memoryless_elements == first.informative_elements > 0
        yield self.finding(
            site,
            observed=Observed(
                "{used} of {informative} neurons with a state and without a spike handed any of that state on"
                if ignores_state
                else "{stateful} of {forward_passes} forward passes continued from a state other than 0",
                stateful=memory.stateful_forward_passes,
                forward_passes=memory.forward_passes,
                informative=memory.informative_elements,
                used=memory.informative_elements - memory.memoryless_elements,
            ),
            expected=Expected(
                "a potential other than 0 in the middle of a sequence",
                because="a spiking neuron adds up its input over time steps",
            ),
            when=Moment(0) if since_the_start else None,
            why="it ignores the state passed in" if ignores_state else "its state is 0 in the middle of a forward pass",
            excess=1,
        )
