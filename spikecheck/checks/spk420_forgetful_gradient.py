"""A layer whose gradient does not go back in time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.learning import MIN_LOSSES, has_learned
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import FlowReading, LossReading
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class ForgetfulGradient(Check):
    """No gradient goes from one time step of a layer back to the one before.

    ## What it means
    The layer remembers its input over time, but the backward pass cannot follow: the membrane potential is detached
    from the graph at every time step. A weight learns only from what its input causes in the same time step, and never
    from what it causes later.

    ## Example
    ```python broken
    membrane, potentials = lif.init_leaky(), []
    for frame in x:  # x: [time, batch, features]
        spike, membrane = lif(fc(frame), membrane.detach())  # against "backward through the graph a second time"
        potentials.append(membrane)
    loss = torch.nn.functional.cross_entropy(potentials[-1], y)
    ```
    ```python repaired
    membrane, potentials = lif.init_leaky(), []  # a new state for every batch: nothing has to be detached
    for frame in x:
        spike, membrane = lif(fc(frame), membrane)
        potentials.append(membrane)
    loss = torch.nn.functional.cross_entropy(potentials[-1], y)
    ```

    ## Fix
    ```python any
    # start every batch from a new state, and take detach(), .data and no_grad() out of the time loop
    ```
    ```python snntorch
    # reset the layer before each batch, and take detach_hidden() and detach() out of the time loop
    mem = layer.reset_mem()
    ```
    ```python spikingjelly
    from spikingjelly.activation_based import functional

    # before each batch, and take functional.detach_net(model) and v.detach() out of the time loop
    functional.reset_net(model)
    ```

    ## When it is intended
    Online learning rules and methods that save memory cut the gradient at every time step on purpose. They learn where
    the answer depends on what happens in the same time step, such as the mean rate of a static image.
    ```toml
    [tool.spikecheck.ignore]
    "SPK420:lif1" = "online learning"
    ```

    ## How it is decided
    In the first forward passes with gradients, spikecheck reads the graph of three time steps of each layer, from the
    spikes up to what the layer was given. The check applies if none of them contains a node of the time step before.
    This needs five time steps, and a layer that shows that it has a state, or returns a stack of time steps.

    It is a warning if after {min_losses} losses nothing is learned, and a note otherwise: the network learns without
    it, and may learn more with it.
    """

    id: ClassVar = "SPK420"
    slug: ClassVar = "forgetful-gradient"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.SPIKES
    needs: ClassVar = (FlowReading,)
    explained_by: ClassVar = ("SPK207", "SPK209", "SPK401")
    explains: ClassVar = ("SPK302", "SPK303", "SPK309", "SPK310", "SPK312", "SPK313")
    past: ClassVar = "no gradient went back in time at {site}"
    message: ClassVar = "no gradient goes back in time at {site}: each time step is cut from the one before"

    min_losses: int = limit(
        MIN_LOSSES, why="judgment call: as many as a chance plateau is judged by; before, nobody can expect learning"
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding at a layer whose time steps are cut apart, in a network that learns little."""
        losses = max((loss.updates for loss in readings.all.every(LossReading).values()), default=0)
        if not readings[FlowReading].cut_in_time or losses < self.min_losses:
            return
        learned = has_learned(readings)
        yield self.finding(
            site,
            severity=Severity.NOTE if learned else self.severity,
            observed=Observed(
                "the graph of a time step contains nothing of the time step before"
                + ("" if learned else "; after {losses} losses, nothing is learned"),
                losses=losses,
            ),
            expected=Expected(
                "a membrane potential that stays in the graph from one time step to the next",
                because="otherwise a weight cannot learn from what its input causes in a later time step",
            ),
            when=Moment(0),
        )
