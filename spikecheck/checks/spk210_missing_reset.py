"""A layer that is not reset by its spikes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.layers import is_last, makes_own_current, recurrent_drive, spikes_unused, synaptic_gain
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.neuron import NeuronSpec
from spikecheck.number_format import fill
from spikecheck.readings import DriveReading, FlowReading, SpikeReading
from spikecheck.site import Moment, Site, SiteKind
from spikecheck.state_readings import StepLawReading

GOES_ON = "otherwise a neuron that has spiked keeps spiking, whatever its input"


@dataclass(frozen=True)
class MissingReset(Check):
    """A spiking layer is not reset by its spikes.

    ## What it means
    A spike normally subtracts one threshold from the membrane potential, or sets it to 0. Without that reset, a neuron
    that has reached its threshold fires in every time step until the leak or a negative input brings its potential
    down, so its firing rate does not show how strong the input was.

    ## Example
    ```python broken
    lif1 = snn.Leaky(beta=1.0, reset_mechanism="none")
    mem = lif1.reset_mem()
    for x_t in x.unbind(1):
        spikes, mem = lif1(fc1(x_t), mem)
    ```
    ```python repaired
    lif1 = snn.Leaky(beta=1.0, reset_mechanism="subtract")
    mem = lif1.reset_mem()
    for x_t in x.unbind(1):
        spikes, mem = lif1(fc1(x_t), mem)
    ```

    ## Fix
    ```python handwritten
    # in each time step, after the spikes are computed
    mem = mem - spikes.detach() * threshold
    ```
    ```python snntorch
    import snntorch as snn

    # set it where the layer is made, with your beta: later it has no effect
    lif1 = snn.Leaky(beta=0.9, reset_mechanism="subtract")
    # reset_mechanism="zero" sets the potential to 0 instead
    ```
    ```python sinabs
    import sinabs.activation

    # subtracts the threshold after each spike
    layer.reset_fn = sinabs.activation.MembraneSubtract()
    ```
    ```python spikingjelly
    # None subtracts the threshold; layer.v_reset = 0.0 sets the potential to 0
    layer.v_reset = None
    ```

    ## When it is intended
    A current inside the layer, such as noise, drives the neurons in addition to the input and the recurrent weights.
    ```toml
    [tool.spikecheck.ignore]
    "SPK210:lif1" = "noise inside"
    ```

    ## How it is decided
    If it is unknown whether a layer has a reset, spikecheck compares its spikes with its input. With a reset, each
    spike subtracts at least one threshold from the potential. So the firing rate times the threshold cannot be larger
    than the mean positive part of the input, which includes recurrent input. spikecheck warns if the ratio of the two
    is above {max_spend_ratio}. For the mean positive part, spikecheck uses an upper bound: (mean + RMS) / 2 of the
    input. A hand-written layer that keeps a synaptic current of its own is left out, since such a current adds up, and
    so is one that makes its current inside, since it may add others there, such as that of an adaptation.

    If a layer is called once per time step, spikecheck also measures what a spike does to its potential. Among neurons
    that did not spike, the next potential is exactly decay * potential + gain * current + a constant. If those that
    spiked have at least {min_jump} more than that, in {min_measured_passes} forward passes or more, the reset is
    inverted: it is added, or it resets the neurons that did not spike. In other hand-written layers whose decay the
    graph shows, potentials just above the threshold are compared with those just below in the first forward passes.
    Both get the same input, so the spikes add to the potential if the former rise by {min_jump} more than the latter.

    If a layer declares that it has no reset, spikecheck warns if its spikes are used and one of these holds:

    - it has no leak (a decay of {max_decay_without_reset} or more);
    - it is not the last spiking layer, and at least {max_consecutive_fraction:%} of its spikes are followed by another
      spike of the same neuron in the next time step.

    Before the first backward pass it is unknown whether the spikes are used, and this is a note.
    """

    id: ClassVar = "SPK210"
    slug: ClassVar = "missing-reset"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.MODULE
    needs: ClassVar = (SpikeReading,)
    explained_by: ClassVar = ("SPK207",)
    past: ClassVar = "{site} did not reset"
    message: ClassVar = "{site} {does}"

    max_spend_ratio: float = limit(
        1.0,
        why="derived: with a reset, the firing rate times the threshold is at most the mean positive input; measured: "
        "0.5 in healthy networks, 1.6 without a reset",
    )
    min_measured_passes: int = limit(
        3, why="judgment call: one time step of each forward pass is measured, to within rounding"
    )
    min_jump: float = limit(
        0.01, why="judgment call: a hundredth of the usual threshold of 1; measured: -1 and lower with a reset"
    )
    max_decay_without_reset: float = limit(
        0.999,
        why="derived: a time constant of 1,000 time steps, longer than most sequences",
    )
    max_consecutive_fraction: float = limit(
        0.75,
        why="judgment call: a burst then has four spikes on average; measured: 0.91 and 0.95 in two layers without a "
        "reset, 0.14 and 0.33 in the same layers with one",
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where a layer spends more than comes in, or where one in use shows that it never resets."""
        spikes, drive, neuron = readings[SpikeReading], readings.get(DriveReading), site.neuron
        if (law := self.inverted(readings)) is not None:
            since_the_start = self.inverted(readings.first, min_passes=1) is not None
            yield self.measured(site, law, when=Moment(0) if since_the_start else None)
            return
        if (jump := self.jump_at_threshold(readings)) is not None:
            yield self.raised(site, jump)
            return
        if neuron is None or drive is None or not neuron.v_threshold or neuron.decay is None or spikes.rate is None:
            return
        if spikes_unused(readings) or drive.non_finite.count:
            return
        if not 0 <= neuron.decay <= 1 or not neuron.v_threshold > 0:
            return
        repeated = spikes.consecutive_products / spikes.active if spikes.active else 0.0
        keeps_firing = repeated >= self.max_consecutive_fraction and not is_last(site, readings)
        if neuron.reset == "none" and (neuron.decay >= self.max_decay_without_reset or keeps_firing):
            yield self.declared(site, readings, repeated, neuron.decay)
        elif neuron.reset is None and not (neuron.accumulates or makes_own_current(site)):
            yield from self.inferred(site, readings, drive, neuron)

    def inverted(self, readings: Readings, min_passes: int | None = None) -> StepLawReading | None:
        """Return the measured law of a layer whose spikes raise its potential; None if they do not, or are unused."""
        law = readings.get(StepLawReading)
        enough = self.min_measured_passes if min_passes is None else min_passes
        if law is None or law.jump is None or law.spike_passes < enough or spikes_unused(readings):
            return None
        return law if law.jump >= self.min_jump else None

    def measured(self, site: Site, law: StepLawReading, when: Moment | None) -> Finding:
        """Return the finding at a layer whose reset is inverted."""
        does = "raises its potential by {jump} with each spike, which a reset should lower"
        if law.decay is not None and abs(law.decay) < self.min_jump:
            does = "is reset where it does not spike, and keeps its potential where it does"
        return self.finding(
            site,
            observed=Observed(
                "next potential = {decay:.3n} * potential + gain * current, and {jump} more after a spike",
                decay=law.decay,
                jump=law.jump,
            ),
            expected=Expected("a potential that each spike lowers", because=GOES_ON),
            does=fill(does, jump=law.jump),
            when=when,
            excess=1,
        )

    def jump_at_threshold(self, readings: Readings) -> float | None:
        """Return what a spike adds to the argument of the spike function; None if it lowers it, or it is not known."""
        flow = readings.get(FlowReading)
        argument = None if flow is None or flow.decay is None else flow.argument
        jump = None if argument is None else argument.jump
        return jump if jump is not None and jump >= self.min_jump and not spikes_unused(readings) else None

    def raised(self, site: Site, jump: float) -> Finding:
        """Return the finding at a layer whose potentials rise at the threshold."""
        return self.finding(
            site,
            observed=Observed(
                "by the next time step, potentials just above the threshold rise by {jump} more than those just below",
                jump=jump,
            ),
            expected=Expected("a potential that each spike lowers", because=GOES_ON),
            does=fill(
                "raises what its spike function gets by {jump} with each spike, and a reset lowers it", jump=jump
            ),
            when=Moment(0),
            excess=1,
        )

    def declared(self, site: Site, readings: Readings, repeated: float, decay: float) -> Finding:
        """Return the finding at a layer that declares no reset; a note while it is unknown if its spikes are used."""
        flow = readings.get(FlowReading)
        does = "never resets: {repeated:%} of its spikes are followed by another in the next time step"
        if decay >= self.max_decay_without_reset:
            does = "has neither a reset nor a leak (decay {decay:.4n}): only negative input lowers its potential"
        return self.finding(
            site,
            severity=Severity.WARNING if flow is not None and flow.spikes_receive_gradient else Severity.NOTE,
            observed=Observed(
                "{repeated:%} of its spikes are followed by another spike of the same neuron in the next time step; "
                "the layer has no reset and a decay of {decay:.4n}",
                repeated=repeated,
                decay=decay,
            ),
            expected=Expected(
                "a potential that each spike resets",
                because="without a reset, a neuron above its threshold fires until its potential decays or a negative "
                "input brings it down",
            ),
            does=fill(does, repeated=repeated, decay=decay),
            excess=1,
        )

    def inferred(self, site: Site, readings: Readings, drive: DriveReading, neuron: NeuronSpec) -> Iterator[Finding]:
        """Yield the finding at a layer that spends more thresholds than positive input comes in."""
        mean_positive = (drive.mean + drive.rms) / 2  # at most
        supply = synaptic_gain(neuron) * (neuron.input_gain * mean_positive + recurrent_drive(site, readings))
        cost = neuron.v_threshold if neuron.lowest_threshold is None else neuron.lowest_threshold
        rate = readings[SpikeReading].rate or 0.0
        if cost is None or not rate * cost > self.max_spend_ratio * supply:
            return
        yield self.finding(
            site,
            observed=Observed(
                "{rate} spikes per neuron and time step with a threshold of {threshold}, for a mean positive input of "
                "at most {supply}; the decay is {decay:.4n}",
                rate=rate,
                threshold=cost,
                supply=supply,
                decay=neuron.decay,
            ),
            expected=Expected(
                "no more spikes than the input can drive",
                because="with a reset, each spike subtracts one threshold from the potential",
            ),
            does=fill(
                "fires more than its input can drive ({rate} vs {supply} thresholds per step): is the reset missing?",
                rate=rate,
                supply=supply / cost if cost > 0 else inf,
            ),
            excess=1,
        )
