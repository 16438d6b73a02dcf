"""A decay outside [0, 1], or a time constant that is not positive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.site import Site, SiteKind
from spikecheck.stored import StoredNeuronReading


@dataclass(frozen=True)
class DecayOutOfRange(Check):
    """A stored decay is outside [0, 1], or a time constant is 0 or negative.

    ## What it means
    The decay (beta) is the factor by which a membrane potential shrinks at each time step. Above 1 the potential grows
    by itself; below 0 it changes its sign at every step.

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
    with torch.no_grad():
        # after every update; or learn raw, with beta = sigmoid(raw)
        layer.beta.clamp_(0, 1)
    ```

    ## When it is intended
    The parameter of this name is not a decay in this model.
    ```toml
    [tool.spikecheck.ignore]
    "SPK505:lif1.beta" = "scales the input"
    ```

    ## How it is decided
    A stored decay above 1 or below 0 counts, and so does a time constant of 0 or below. Usually it was learned without
    bounds. A library may clamp it in use (snntorch clamps to [0, 1]): the layer then never forgets, or remembers
    nothing, and because the clamp passes no gradient, the parameter cannot come back.
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
            "decay": "below 0, so the membrane potential flips its sign each step",
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
            value=value,
            problem="above 1, so the membrane potential never decays" if too_high else problems[neuron.role],
        )
