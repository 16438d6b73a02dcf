"""A threshold that no input can reach, or that is exceeded at rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.fixes import change_stored, plain_number
from spikecheck.finding import Expected, Finding, Fix, Observed, Severity
from spikecheck.number_format import number
from spikecheck.site import Site, SiteKind
from spikecheck.stored import StoredNeuronReading

LOWEST_THRESHOLD = 0.1  # a judgment call: a tenth of the usual threshold of 1
TYPICAL_ACTIVITY = 0.1  # a judgment call: the fraction of inputs that spike in one time step


@dataclass(frozen=True)
class UnreachableThreshold(Check):
    """A spiking layer's threshold is 0 or negative, or no input can reach it.

    ## What it means
    With a threshold below 0, a neuron fires even without input; with a threshold of 0, any positive potential makes it
    fire. With a threshold above the highest potential that its weights can produce, it never fires. In all these cases
    its spikes carry little or no information.

    ## Example
    ```python broken
    # a threshold in millivolts, while the weights raise the potential to 8 at most
    model.lif2 = snn.Leaky(beta=0.5, threshold=30.0)
    torch.save(model.state_dict(), "last.pt")
    ```
    ```python repaired
    model.lif2 = snn.Leaky(beta=0.5, threshold=1.0)
    torch.save(model.state_dict(), "last.pt")
    ```

    ## Fix
    ```python any
    # snntorch; the attribute is spike_threshold in sinabs and v_threshold in spikingjelly, a number: v_threshold = 1.0
    # too high: set it well below the highest potential, which the report shows
    layer.threshold.data.fill_(1.0)
    # learned, and 0 or negative: do this after every optimizer update
    layer.threshold.data.clamp_(min=0.1)
    ```

    ## When it is intended
    The layer's membrane potential is the output of the network, and no spike is expected.
    ```toml
    [tool.spikecheck.ignore]
    "SPK504:readout.threshold" = "its potential is the output"
    ```

    ## How it is decided
    The check fires if the threshold is 0 or below, or above the highest potential that the layer's weights allow. That
    potential is computed as if every input with a positive weight spiked at every time step and no other input did:
    the weights and the bias are summed, and the sum accumulates over time with the layer's decay. The input of the
    first layer may hold event counts, so the potential there is computed for {max_input_count} events per bin.

    This needs keys in the file that show which weights feed the layer, and how it decays. For the last layer, a
    threshold that is too high is a note, since its potential may be the output of the network. A learned threshold
    can drift below 0 unless it is clamped, or learned as `softplus(raw)`.
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
        10.0,
        why="judgment call: one bin may hold more, but real data never has 10 events in every bin of every input; "
        "measured: in coarse bins of SHD, 93% of the non-empty ones hold one event, and the fullest one 18",
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
                    "a threshold above 0",
                    because="a neuron without input has potential 0, and should not fire",
                ),
                fixes=change_stored(site, "after every optimizer update", f"clamp_(min={LOWEST_THRESHOLD})"),
                problem=", below 0: its neurons fire even without input"
                if neuron.minimum < 0
                else ", not above 0: any positive potential makes its neurons fire",
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
                fixes=lower_threshold(site, reach),
                problem=f", but no input can raise the membrane potential above {number(reach)}",
            )


def lower_threshold(site: Site, reach: float) -> tuple[Fix, ...]:
    """Return code that sets a threshold that input of ordinary density reaches; none if every weight is inhibitory."""
    if reach <= 0:
        return ()
    comment = f"a tenth of {number(reach)}, since about a tenth of the inputs spike in a time step"
    return change_stored(site, comment, f"fill_({plain_number(reach * TYPICAL_ACTIVITY)})")


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
