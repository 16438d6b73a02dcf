"""A threshold that no input can reach, or that is exceeded at rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.number_format import number
from spikecheck.site import Site, SiteKind
from spikecheck.stored import StoredNeuronReading


@dataclass(frozen=True)
class UnreachableThreshold(Check):
    """A spiking layer's threshold is 0 or negative, or no input can reach it.

    ## What it means
    With a threshold of 0 or below, a neuron fires at every step, even without input. With a threshold above anything
    its weights can produce, it never fires; in both cases its spikes carry no information.

    ## Example
    ```python broken
    # a threshold in millivolts; the weights can drive a neuron to about 8
    model.lif2 = snn.Leaky(beta=0.5, threshold=30.0)
    torch.save(model.state_dict(), "last.pt")
    ```
    ```python repaired
    model.lif2 = snn.Leaky(beta=0.5, threshold=1.0)
    torch.save(model.state_dict(), "last.pt")
    ```

    ## Fix
    ```python any
    with torch.no_grad():
        # after every update; or learn it as softplus(raw), which stays positive
        layer.threshold.clamp_(min=0.1)
    ```

    ## When it is intended
    The layer's membrane potential is the output of the network, and no spike is expected.
    ```toml
    [tool.spikecheck.ignore]
    "SPK504:readout.threshold" = "its potential is the output"
    ```

    ## How it is decided
    Either the threshold is 0 or below, or it is above the highest potential that the layer's weights allow: every
    input with a positive weight spikes at every step, the bias is added, and the potential accumulates with the
    layer's decay. The first layer's input may hold event counts, so up to {max_input_count} spikes per bin are
    allowed for there. This is computed only where the keys of the file show which weights feed the layer and how it
    decays. For the last layer an unreachable threshold is a note, since its potential may be the output. Learned
    thresholds drift below 0 when nothing holds them.
    """

    id: ClassVar = "SPK504"
    slug: ClassVar = "unreachable-threshold"
    severity: ClassVar = Severity.ERROR
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.STORED_NEURON
    needs: ClassVar = (StoredNeuronReading,)
    explained_by: ClassVar = ("SPK501", "SPK503", "SPK506")
    message: ClassVar = "{site} is {threshold}{problem}"

    max_input_count: float = limit(
        10.0, why="measured: coarse bins of SHD hold up to 18 spikes, but 93% of the non-empty bins hold one"
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where the threshold is not positive, or no neuron of the layer can reach it."""
        neuron = readings[StoredNeuronReading]
        if neuron.role != "threshold":
            return
        if neuron.out_of_range:
            part = "" if neuron.out_of_range == neuron.elements else " for {outside} of {elements} neurons"
            yield self.finding(
                site,
                observed=Observed(
                    "threshold {threshold}" + part,
                    threshold=neuron.minimum,
                    outside=neuron.out_of_range,
                    elements=neuron.elements,
                ),
                expected=Expected(
                    "a threshold above 0", because="a neuron at rest has potential 0, and would fire at every step"
                ),
                problem=", not above 0: its neurons fire at every step, even without input",
            )
            return
        reach = out_of_reach(neuron, self.max_input_count)
        if reach is not None:
            yield self.finding(
                site,
                severity=Severity.NOTE if neuron.is_last_layer else Severity.ERROR,
                observed=Observed(
                    "threshold {threshold}; with every input active, the membrane potential reaches {reach}",
                    threshold=neuron.minimum,
                    reach=reach,
                ),
                expected=Expected(
                    "a threshold that at least one neuron can reach", because="otherwise no input makes the layer fire"
                ),
                problem=f", but no input can raise the membrane potential above {number(reach)}",
            )


def out_of_reach(neuron: StoredNeuronReading, max_input_count: float) -> float | None:
    """Return the highest reachable potential if no neuron can reach its threshold, None if one can or may."""
    if neuron.max_potential is None or neuron.unreachable_neurons < neuron.neurons or not neuron.neurons:
        return None
    reach = (
        neuron.max_potential * max_input_count
        if neuron.reads_model_input and neuron.max_potential > 0
        else neuron.max_potential
    )
    return reach if reach < neuron.minimum else None
