"""A network that learns once its neurons are replaced."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.experiment_readings import LearningReading, ReferenceNeuronReading
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class FaultyNeurons(Check):
    """The network does not learn with its own neurons, and learns with a reference neuron in their place.

    ## What it means
    The fault is in the neurons or in the scale of their input: surrogate gradient, decay, threshold, reset or state.
    Data, readout, loss and optimizer work, since the copy with other neurons used them.

    ## Example
    ```python broken
    lif1 = LIF(threshold=30.0, beta=0.1)  # the input current stays around 1
    spikes = lif1(current)
    ```
    ```python repaired
    lif1 = LIF(threshold=1.0, beta=0.9)
    spikes = lif1(current)
    ```

    ## Fix
    ```python any
    # start from a threshold of 1 and a decay of 0.9, then change one property of the neurons at a time
    ```

    ## When it is intended
    The network starts slowly on purpose, for example with an almost silent last layer.
    ```toml
    [tool.spikecheck.ignore]
    "SPK607" = "slow start"
    ```

    ## How it is decided
    `spikecheck.examine` replaces all neurons of a copy, only if the network does not learn or has other findings. Both
    copies make the same updates. The check notes it if the original is not above the share of the most frequent class,
    the copy is at least {min_gain:%} above it, and a paired sign test on held-out samples has a p-value below {max_p}.
    It is a note: a network that starts slowly shows the same.
    """

    id: ClassVar = "SPK607"
    slug: ClassVar = "faulty-neurons"
    severity: ClassVar = Severity.NOTE
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.EXPERIMENT
    needs: ClassVar = (ReferenceNeuronReading, LearningReading)
    message: ClassVar = "with a reference neuron in all layers, {replaced:%} are right instead of {accuracy:%}"

    min_gain: float = limit(0.1, why="judgment call: above what the choice of 256 samples changes")
    max_p: float = limit(0.001, why="judgment call: one examination in a thousand", minimum=0, maximum=1)

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a note where only the copy with other neurons learns."""
        reading, untreated = readings[ReferenceNeuronReading], readings[LearningReading]
        if untreated.learned is not False or reading.p_value > self.max_p:
            return
        if reading.reference_accuracy - max(reading.majority, reading.accuracy) < self.min_gain:
            return
        yield self.finding(
            site,
            observed=Observed(
                "after {updates} updates, {accuracy:%} of held-out samples are right, and {replaced:%} with the "
                "reference neuron in {layers} layers",
                updates=reading.updates,
                accuracy=reading.accuracy,
                replaced=reading.reference_accuracy,
                layers=reading.layers,
            ),
            expected=Expected(
                "about the same with both", because="with good neurons, a better one makes little difference"
            ),
            when=Moment(),
        )
