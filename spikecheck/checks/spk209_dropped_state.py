"""A layer that loses its state at every step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.fixes import module_path
from spikecheck.finding import Expected, Finding, Fix, Observed, Severity
from spikecheck.readings import DriveReading
from spikecheck.site import Moment, Site, SiteKind
from spikecheck.state_readings import MemoryReading

EQUAL_SIZES = """\
# where the model is made: this version of the library drops the state if the two sizes of the layer differ
fc1 = torch.nn.Linear({path}.input_size, {path}.hidden_size)
# add the other arguments that you use, such as the threshold
{path} = type({path})({path}.hidden_size, {path}.hidden_size)
# in each time step
spikes, syn, mem = {path}(fc1(x_t), syn, mem)"""


@dataclass(frozen=True)
class DroppedState(Check):
    """A spiking layer loses its state at every time step.

    ## What it means
    The layer starts every time step from a potential of 0, so it does not integrate its input: the input of each single
    step is compared with the threshold. Either the state is not passed on to the next call, or a reset is inside the
    loop over time.

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
    ```python handwritten
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
    The layer is called for several inputs in turn, each of which starts from rest.
    ```toml
    [tool.spikecheck.ignore]
    "SPK209:lif1" = "one call per patch"
    ```

    ## How it is decided
    The check applies to a layer that is called once per time step. spikecheck looks at the state that a call in the
    middle of each sequence starts from. It reports an error if this state was missing or 0 in every sequence, and there
    were at least {min_forward_passes}. Sequences of fewer than 5 time steps, and a layer whose input is always 0, are
    skipped. A script that calls the model once per time step and resets it before every call is found in the same way.

    In a hand-written layer, it also reports an error if the layer ignores the state that is passed in. The evidence: in
    at least {min_informative_elements} neurons that did not spike, the new state is the input current times a constant,
    whatever the old state was, and whether a neuron spikes depends only on its input current.

    snntorch 1.0 has this fault in `SLSTM`: if `input_size` and `hidden_size` differ, the layer starts each time step
    from a state of 0. To avoid this, use a layer with equal sizes, `snn.SLSTM(hidden_size, hidden_size)`, and put an
    `nn.Linear(input_size, hidden_size)` before it.
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
        3, why="judgment call: the first time steps of a sequence may be empty, so that the state is still 0"
    )
    min_informative_elements: int = limit(
        100,
        why="judgment call: if the layer uses its state, none of the new states equals the current times a constant",
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
                "the old state affected the new state in only {used} of {informative} neurons that did not spike"
                if ignores_state
                else "the state was 0 in the middle of the sequence in {stateless} of {forward_passes} forward passes",
                stateless=memory.forward_passes - memory.stateful_forward_passes,
                forward_passes=memory.forward_passes,
                informative=memory.informative_elements,
                used=memory.informative_elements - memory.memoryless_elements,
            ),
            expected=Expected(
                "a potential other than 0 in the middle of a sequence",
                because="a spiking neuron integrates its input over time steps",
            ),
            when=Moment(0) if since_the_start else None,
            why=why(site, ignores_state=ignores_state),
            fixes=(Fix(EQUAL_SIZES.format(path=module_path(site) or "layer")),) if drops_state(site) else None,
            excess=1,
        )


def drops_state(site: Site) -> bool:
    """Return whether it is the library that drops the state."""
    return site.neuron is not None and site.neuron.drops_state


def why(site: Site, *, ignores_state: bool) -> str:
    """Return where the state is lost."""
    if drops_state(site):
        return f"{site.framework} drops the state if its size differs from that of the input"
    return "it ignores the state passed in" if ignores_state else "its state is 0 in the middle of a sequence"
