"""A threshold that nothing can reach, or that a neuron at rest is above."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.site import Site, SiteKind
from spikecheck.stored import StoredNeuronReading


@dataclass(frozen=True)
class UnreachableThreshold(Check):
    """A spiking layer's threshold is not above 0, or no drive can reach it.

    ## What it means
    Either the threshold is 0 or below, or it is above the highest potential that the layer's weights allow: all inputs
    with a positive weight spike in every step for ever, the bias and the decay added up. For the first layer, whose
    input may hold counts, {counts} spikes a bin are allowed for. Reckoned where the keys tell which weights feed the
    layer and how it decays; else nothing is said.

    ## Why it matters
    A neuron with a threshold below 0 fires at rest, in every step, whatever it hears; learned thresholds drift there
    when nothing holds them. A layer that cannot reach its threshold is silent for every input. Both carry no
    information.

    ## Fix
    ```python any
    with torch.no_grad():
        layer.threshold.clamp_(min=0.1)  # after every update; or make a learned one positive: softplus(raw)
    ```

    ## Intended when
    The layer is read out by its potential, so that no spike is meant to come: `[tool.spikecheck.ignore]
    "SPK504:readout.threshold" = "its potential is read"`. For the last layer an unreachable threshold is a note.
    """

    id: ClassVar = "SPK504"
    slug: ClassVar = "unreachable-threshold"
    severity: ClassVar = Severity.ERROR
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.STORED_NEURON
    needs: ClassVar = (StoredNeuronReading,)
    explained_by: ClassVar = ("SPK501", "SPK503", "SPK506")
    message: ClassVar = "{site} is {threshold:.3g}: {problem}"

    counts: float = limit(
        10.0, why="measured: coarse bins of SHD hold up to 18 spikes, 93 % of the active ones a single one"
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where the threshold is not positive, or beyond the reach of every neuron."""
        neuron = readings[StoredNeuronReading]
        if neuron.role != "threshold":
            return
        if neuron.outside:
            share = "" if neuron.outside == neuron.elements else f" for {neuron.outside} of {neuron.elements} neurons"
            yield self.found(
                site,
                seen=Seen("threshold {threshold:.3g}" + share, threshold=neuron.minimum),
                expected=Expected(
                    "a threshold above 0", because="a neuron at rest is at 0 and would fire in every step"
                ),
                problem="neurons fire at rest, in every step",
            )
            return
        reach = out_of_reach(neuron, self.counts)
        if reach is not None:
            yield self.found(
                site,
                severity=Severity.NOTE if neuron.last else Severity.ERROR,
                seen=Seen(
                    "threshold {threshold:.3g}; with every input active the potential reaches {reach:.3g}",
                    threshold=neuron.minimum,
                    reach=reach,
                ),
                expected=Expected(
                    "a threshold that some neuron can reach", because="the layer is silent for every input"
                ),
                problem=f"no input drives a neuron beyond {reach:.3g}",
            )


def out_of_reach(neuron: StoredNeuronReading, counts: float) -> float | None:
    """The highest potential, where no neuron of the layer comes to its threshold; None where one does, or may."""
    if neuron.reach is None or neuron.unreachable < neuron.neurons or not neuron.neurons:
        return None
    reach = neuron.reach * counts if neuron.outer and neuron.reach > 0 else neuron.reach
    return reach if reach < neuron.minimum else None
