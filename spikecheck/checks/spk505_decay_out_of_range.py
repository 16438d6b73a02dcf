"""A decay outside [0, 1], or a time constant that is not positive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import exp
from typing import ClassVar

from spikecheck.checks.base import Check, Readings
from spikecheck.checks.fixes import change_stored, plain_number
from spikecheck.finding import Expected, Finding, Fix, Observed, Severity
from spikecheck.number_format import number
from spikecheck.site import Site, SiteKind
from spikecheck.stored import StoredNeuronReading

SHORTEST_TIME_CONSTANT = 2.0  # a judgment call: a "decay" from here on is a time constant, in time steps


@dataclass(frozen=True)
class DecayOutOfRange(Check):
    """A stored decay is outside [0, 1], or a time constant is 0 or negative.

    ## What it means
    The decay (beta) is the factor by which a membrane potential shrinks at each time step. With a decay above 1 it
    grows instead, or never shrinks if the library clamps the decay to 1, as snntorch does. With a decay below 0 it
    changes its sign at every time step, or is lost at once if the library clamps the decay to 0.

    ## Example
    ```python broken
    # 20 steps is the time constant, not the decay
    model.lif1 = snn.Leaky(beta=20.0)
    torch.save(model.state_dict(), "last.pt")
    ```
    ```python repaired
    model.lif1 = snn.Leaky(beta=math.exp(-1 / 20))  # 0.951
    torch.save(model.state_dict(), "last.pt")
    ```

    ## Fix
    ```python any
    import math

    # beta is snntorch's name of the decay: if the report names a decay, use its name
    # a time constant was passed as the decay: compute the decay from it
    layer.beta.data.fill_(math.exp(-1 / 20))
    # learned, and outside [0, 1]: do this after every optimizer update
    layer.beta.data.clamp_(0, 1)
    # a time constant of 0 or below: give it a positive value, in the unit of the layer; sinabs, in time steps:
    # layer.tau_mem.data.fill_(20.0)
    ```

    ## When it is intended
    The parameter of this name is not a decay in this model.
    ```toml
    [tool.spikecheck.ignore]
    "SPK505:lif1.beta" = "scales the input"
    ```

    ## How it is decided
    The check fires if a stored decay is above 1 or below 0, or a stored time constant is 0 or below. There are two
    usual causes: a time constant was passed as the decay, or the parameter was learned without bounds. Where the
    library clamps the parameter before using it, no gradient passes the clamp, so training cannot bring it back.
    """

    id: ClassVar = "SPK505"
    slug: ClassVar = "decay-out-of-range"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.STORED_NEURON
    needs: ClassVar = (StoredNeuronReading,)
    explained_by: ClassVar = ()
    message: ClassVar = "{site} is {value}: {problem}"

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where the decay or time constant of any neuron is outside its range."""
        neuron = readings[StoredNeuronReading]
        if neuron.role not in ("decay", "tau") or not neuron.out_of_range:
            return
        too_high = neuron.role == "decay" and neuron.maximum > 1
        value = neuron.maximum if too_high else neuron.minimum
        problems = {
            "tau": "a time constant must be above 0",
            "decay": "below 0, so the membrane potential changes its sign at every time step",
        }
        yield self.finding(
            site,
            observed=Observed(
                "{outside} of {elements} values out of range; values {minimum} to {maximum}",
                outside=neuron.out_of_range,
                elements=neuron.elements,
                minimum=neuron.minimum,
                maximum=neuron.maximum,
            ),
            expected=Expected(
                "a time constant above 0" if neuron.role == "tau" else "a decay between 0 and 1",
                because="where a library clamps it, no gradient can bring it back",
            ),
            fixes=fix(site, neuron.role, value),
            value=value,
            problem="above 1, so the membrane potential never decays" if too_high else problems[neuron.role],
        )


def fix(site: Site, role: str, value: float) -> tuple[Fix, ...]:
    """Return code for a time constant, for one that was passed as a decay, or for a decay learned without bounds."""
    if role == "tau":
        return change_stored(site, "after every optimizer update; learning log(tau) avoids this", "clamp_(min=0.001)")
    if value < SHORTEST_TIME_CONSTANT:
        return change_stored(site, "after every optimizer update; learning the logit avoids this", "clamp_(0, 1)")
    decay = plain_number(exp(-1 / value), digits=3)
    return change_stored(site, f"the decay for a time constant of {number(value)} time steps", f"fill_({decay})")
