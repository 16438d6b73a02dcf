"""A decay that is none, or a time constant that is not positive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.site import Site, SiteKind
from spikecheck.stored import StoredNeuronReading


@dataclass(frozen=True)
class DecayOutOfRange(Check):
    """A stored decay lies outside [0, 1], or a time constant is 0 or below.

    ## What it means
    The decay is the factor by which a potential shrinks in one step. Found is one above 1 or below 0, or a time
    constant that is not positive, in a checkpoint: it was learned, and nothing held it.

    ## Why it matters
    Above 1 the potential grows by itself without end; below 0 it changes its sign in every step. A library may clamp
    it in use (snntorch does, to [0, 1]): then the layer never forgets, or remembers nothing, and the clamp gives no
    gradient, so that the parameter cannot come back.

    ## Fix
    ```python any
    with torch.no_grad():
        layer.beta.clamp_(0, 1)  # after every update; or learn beta = sigmoid(raw)
    ```

    ## Intended when
    The parameter of this name is no decay in this model: `[tool.spikecheck.ignore]
    "SPK505:lif1.beta" = "scales the input"`
    """

    id: ClassVar = "SPK505"
    slug: ClassVar = "decay-out-of-range"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.STORED_NEURON
    needs: ClassVar = (StoredNeuronReading,)
    explained_by: ClassVar = ()
    message: ClassVar = "{site} is {value:.3g}: {problem}"

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where any neuron's decay or time constant cannot be one."""
        neuron = readings[StoredNeuronReading]
        if neuron.role not in ("decay", "tau") or not neuron.outside:
            return
        high = neuron.role == "decay" and neuron.maximum > 1
        value = neuron.maximum if high else neuron.minimum
        problems = {"tau": "a time constant is above 0", "decay": "the potential changes sign in every step"}
        yield self.found(
            site,
            seen=Seen(
                "{outside} of {elements} values outside, {low:.3g} to {high:.3g}",
                outside=neuron.outside,
                elements=neuron.elements,
                low=neuron.minimum,
                high=neuron.maximum,
            ),
            expected=Expected(
                "a time constant above 0" if neuron.role == "tau" else "a decay between 0 and 1",
                because="a library that clamps it gives no gradient to bring it back",
            ),
            value=value,
            problem="the potential never shrinks" if high else problems[neuron.role],
        )
