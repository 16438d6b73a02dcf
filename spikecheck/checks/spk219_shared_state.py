"""One module that serves as several layers, with one membrane potential for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings
from spikecheck.checks.layers import never_fires, spiking_sites
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import FlowReading
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class SharedState(Check):
    """One spiking module is used as several layers, and they all share its membrane potential.

    ## What it means
    A spiking neuron keeps its membrane potential from call to call. A module that stands behind several weights adds
    their currents to one potential: what one layer has integrated goes on into the next layer, as if it were the next
    time step. An activation such as ReLU can be shared between layers, a spiking neuron cannot.

    ## Example
    ```python broken
    lif = snntorch.Leaky(beta=0.9, init_hidden=True)
    layers = [fc1, lif, fc2, lif]
    ```
    ```python repaired
    lif1, lif2 = (snntorch.Leaky(beta=0.9, init_hidden=True) for _ in range(2))
    layers = [fc1, lif1, fc2, lif2]
    ```

    ## Fix
    ```python any
    import copy

    # a neuron of its own for each layer, with a state of its own
    lif1, lif2 = copy.deepcopy(layer), copy.deepcopy(layer)
    ```

    ## When it is intended
    The layers exchange their potential on purpose.
    ```toml
    [tool.spikecheck.ignore]
    "SPK219:lif (1st use)" = "one potential for all layers"
    ```

    ## How it is decided
    A module follows several modules with weights in turn, so its calls are not time steps. In the graph of the
    first forward passes with gradients, a call leads back to the potential of the call before, other than through its
    input. A module that is given a state of its own for each layer is not reported, nor one with an infinite threshold:
    it never spikes, and adds up what several layers predict.
    """

    id: ClassVar = "SPK219"
    slug: ClassVar = "shared-state"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.SPIKES
    needs: ClassVar = (FlowReading,)
    explains: ClassVar = ("SPK203", "SPK204", "SPK212", "SPK302", "SPK309", "SPK312", "SPK313")
    past: ClassVar = "several layers shared one membrane potential"
    message: ClassVar = "{uses} layers are one module and share its membrane potential: {names}"

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding at the first of the layers that one module serves."""
        same = [one for one in spiking_sites(readings) if one.path == site.path and one.framework == site.framework]
        first = min(same, key=lambda one: one.position)
        if not readings[FlowReading].shares_state or len(same) <= 1 or site.name != first.name or never_fires(site):
            return
        yield self.finding(
            site,
            observed=Observed("the graph of a call leads back to the potential of the call before, of another layer"),
            expected=Expected(
                "a spiking module of its own for each layer", because="the potential is the memory of one layer"
            ),
            when=Moment(0),
            uses=len(same),
            names=", ".join(one.name for one in same),
        )
