"""A layer whose potential grows, flips, or hardly takes up its input."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import exp, inf, log
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.layers import (
    ALIVE_RATE,
    HAND_WRITTEN,
    WHY_MIN_FORWARD_PASSES,
    geometric_sum,
    is_silent,
    peak_potential,
    threshold_of,
    too_early,
)
from spikecheck.checks.learning import has_learned, losses_without_learning
from spikecheck.checks.silence import is_nearly_silent
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.neuron import NeuronSpec, ReplacedParameter
from spikecheck.number_format import fill
from spikecheck.readings import FlowReading, SpikeReading
from spikecheck.site import Moment, Site, SiteKind
from spikecheck.state_readings import StepLawReading


@dataclass(frozen=True)
class FaultyDecay(Check):
    """A decay makes the potential grow, change sign, or forget its earlier input within one time step.

    ## What it means
    The factor by which the membrane potential shrinks in each time step (the decay, often called beta) should lie
    between 0 and 1. Above 1 the potential grows without limit, below 0 it changes sign in every step, and near 0 the
    neuron remembers nothing. Often a time constant was given instead of a decay, or in the wrong unit of time.

    ## Example
    ```python broken
    tau = 20.0  # time steps
    # beta is a decay: snntorch clamps it to 1, and nothing leaks
    lif1 = snn.Leaky(beta=tau)
    spikes, mem = lif1(fc1(x_t), mem)
    ```
    ```python repaired
    tau = 20.0  # time steps
    lif1 = snn.Leaky(beta=math.exp(-1 / tau))
    spikes, mem = lif1(fc1(x_t), mem)
    ```

    ## Fix
    ```python handwritten
    import math

    # beta is the attribute that holds the decay; dt and tau in the same unit
    layer.beta = math.exp(-dt / tau)
    ```
    ```python snntorch
    # replace 0.9 by exp(-dt / tau), with dt and tau in the same unit
    layer.beta.data.fill_(0.9)
    ```
    ```python sinabs
    # replace 20.0 by your time constant, in time steps
    layer.tau_mem.data.fill_(20.0)
    # norm_input=True multiplies the input by 1 - exp(-1 / tau_mem)
    ```
    ```python spikingjelly
    # replace 2.0 by your time constant, in time steps; it has to be above 1
    layer.tau = 2.0
    # decay_input=True divides the input by tau
    ```
    ```python norse
    # replace 100.0 by 1 / tau, with tau in seconds (100 for 10 ms)
    layer.p = layer.p._replace(tau_mem_inv=torch.tensor(100.0))
    ```
    ```python rockpool
    # replace 0.02 by your time constant in seconds, larger than layer.dt
    layer.tau_mem.data.fill_(0.02)
    ```

    ## When it is intended
    You study neurons without memory on purpose.
    ```toml
    [tool.spikecheck.ignore]
    "SPK207:lif1" = "a threshold unit on purpose"
    ```

    ## How it is decided
    spikecheck warns in these cases:

    - The decay is below {min_decay} or above 1. In a hand-written layer, an attribute called `beta` or `decay` may mean
      something else. There, the decay is read from the graph of the backward pass, as the derivative of a potential by
      the one before, or measured: among neurons that did not spike, the next potential is
      exactly decay * potential + gain * current + a constant, in {min_measured_passes} forward passes or more. It is
      reported if a potential grows to {min_growth} times its size within a forward pass. If it cannot be measured, a
      decay above 1 is reported if some neuron fires in at least {min_firing_fraction:%} of the time steps of a forward
      pass.
    - The layer scales its input down too far: an input of 1 in every time step of a forward pass adds less than
      {min_accumulated_input} to the potential in total, and the time constant is longer than the forward pass.
    - The library silently replaces the value that was set. For example, if a time constant of 8 steps is given as the
      decay, a library that clamps the decay to [0, 1] uses 1, and nothing leaks.

    It reports only a note in these cases:

    - The decay is between 0 and {min_decay}, and the loss is already below that of random guessing, so the network
      learns without memory in its neurons.
    - The decay is learned, and is out of range by at most {max_learned_drift}.
    - The time constant is finite, and at least {max_time_constant_ratio} times as long as a forward pass of several
      time steps. This is what happens if a time constant in milliseconds is read as seconds. It is a warning if 64
      losses or more show that nothing is learned, or if the layer is silent (while training runs, after at least
      {min_forward_passes} forward passes): the time constant often scales the input, too.

    The usual causes are a wrong formula, such as exp(dt / tau) instead of exp(-dt / tau), and a wrong unit, such as
    milliseconds instead of time steps.

    While training runs, a decay between 0 and {min_decay} is printed only from update 64 on: networks that need no
    memory in their neurons, such as those with learned delays, learn without it.
    """

    id: ClassVar = "SPK207"
    slug: ClassVar = "faulty-decay"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.MODULE
    needs: ClassVar = (SpikeReading,)
    explained_by: ClassVar = ("SPK407",)
    past: ClassVar = "the decay of {site} was out of range"
    message: ClassVar = "{site} {does}"

    min_decay: float = limit(0.01, why="derived: after one time step, 1% of the potential is left")
    min_accumulated_input: float = limit(
        0.1,
        why="measured: 0.9 and more in healthy networks, 0.008 in a layer whose time constant was 5,000 steps instead "
        "of 10 and that multiplies its input by 1 - decay",
    )
    min_firing_fraction: float = limit(
        0.5,
        why="measured: 0.98 in a layer whose potential grows; 0.5 is a judgment call, since no healthy network was "
        "measured",
    )
    min_measured_passes: int = limit(
        3, why="judgment call: one time step of each forward pass is measured, to within rounding"
    )
    min_growth: float = limit(
        10.0, why="judgment call: over a forward pass, the first time step then counts ten times as much as the last"
    )
    max_learned_drift: float = limit(
        0.5,
        why="derived: a clamped decay gets no gradient, so only Adam's momentum still moves it: by about 10 times the "
        "learning rate, or 0.5 at a large learning rate of 0.05",
    )
    min_forward_passes: int = limit(10, why=WHY_MIN_FORWARD_PASSES)
    max_time_constant_ratio: float = limit(
        100.0, why="derived: over a forward pass, the potential then loses only 1%, as if there were no leak"
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where the decay is not between 0 and 1, or where the gain leaves nothing of the input."""
        spikes, neuron = readings[SpikeReading], self.neuron_in_use(site, readings)
        if neuron is None or not spikes.forward_passes:
            return
        if because := self.fault(site, neuron, spikes, grows=self.grows(readings)):
            forgets = 0 <= (neuron.decay or 0.0) < self.min_decay
            short, exact = ("", "") if forgets else (":.4n", ":.6n")  # near 1, digits matter
            since_the_start = self.grows(readings) and self.grows(readings.first, min_passes=1)
            finding = self.finding(
                site,
                severity=Severity.NOTE if forgets and has_learned(readings) else Severity.WARNING,
                observed=Observed(
                    f"a decay of {{decay{exact}}} per time step, an input gain of {{gain}}",
                    decay=neuron.decay,
                    gain=neuron.input_gain,
                ),
                expected=Expected(
                    "a decay between 0 and 1, and an input gain large enough to reach the threshold",
                    because=because,
                ),
                does=fill(
                    f"multiplies its potential by {{decay{short}}} and its input by {{gain}} per time step",
                    decay=neuron.decay,
                    gain=neuron.input_gain,
                ),
                when=Moment(0) if since_the_start else None,
                excess=not forgets,  # a network may do without memory, and has another fault
            )
            yield replace(finding, explains_others=not forgets or self.leaves_too_little(site, readings))
        elif neuron.replaced_parameters:
            yield self.replaced_value(site, neuron.replaced_parameters[0])
        elif (
            spikes.elements
            and spikes.time_steps > spikes.forward_passes  # of a single step, nothing is left for the next one anyway
            and self.max_time_constant_ratio * spikes.time_steps
            <= (neuron.tau_mem or 0.0) * spikes.forward_passes
            < inf
        ):
            silent = is_silent(spikes) and not too_early(readings, spikes.forward_passes, self.min_forward_passes)
            learns_nothing = losses_without_learning(readings) is not None
            yield self.finding(
                site,
                severity=Severity.WARNING if silent or learns_nothing else Severity.NOTE,
                observed=Observed(
                    "a time constant of {tau} time steps; {steps} time steps per forward pass",
                    tau=neuron.tau_mem,
                    steps=spikes.time_steps // spikes.forward_passes,
                ),
                expected=Expected(
                    "a time constant comparable to the length of a forward pass",
                    because="nothing leaks, although the layer has a leak: are dt and tau in the same unit?",
                ),
                does=fill(
                    "keeps {decay:.6n} of its potential per time step: no leak within a forward pass",
                    decay=neuron.decay,
                ),
            )

    def leaves_too_little(self, site: Site, readings: Readings) -> bool:
        """Return whether a layer is silent whose potential would reach the threshold if nothing of it were lost.

        One that emits single spikes reaches it even so.
        """
        spikes, threshold = readings[SpikeReading], threshold_of(site)
        if not is_silent(spikes) and is_nearly_silent(readings, ALIVE_RATE):
            return True
        peak = peak_potential(site, readings) if is_silent(spikes) else None
        return peak is not None and threshold is not None and peak * spikes.steps_per_pass >= threshold

    def neuron_in_use(self, site: Site, readings: Readings) -> NeuronSpec | None:
        """Return the parameters of the neurons, with the decay that was measured if potentials grow by it."""
        law, flow, neuron = readings.get(StepLawReading), readings.get(FlowReading), site.neuron
        if neuron is not None and law is not None and self.grows(readings):
            return replace(neuron, decay=law.decay)
        shown = None if flow is None else flow.decay
        return neuron if neuron is None or shown is None else replace(neuron, decay=shown)

    def grows(self, readings: Readings, min_passes: int | None = None) -> bool | None:
        """Return whether the measured decay makes a potential grow during a forward pass; None if none was measured."""
        law, flow, spikes = readings.get(StepLawReading), readings.get(FlowReading), readings[SpikeReading]
        enough = self.min_measured_passes if min_passes is None else min_passes
        measured = law is not None and law.decay is not None and law.exact_passes >= enough
        decay = law.decay if law is not None and measured else None if flow is None else flow.decay
        if decay is None:
            return None
        steps = spikes.time_steps // spikes.forward_passes
        return decay > 1 and steps * log(decay) >= log(self.min_growth)

    def fault(self, site: Site, neuron: NeuronSpec, spikes: SpikeReading, *, grows: bool | None) -> str:
        """Return what is wrong with the decay in use or with the input gain; empty where nothing is known to be."""
        decay, steps = neuron.decay, spikes.time_steps // spikes.forward_passes
        if decay is None or (decay < self.min_decay and site.framework in HAND_WRITTEN and grows is None):
            return ""
        if decay < 0:
            return "the potential changes sign in every time step"
        by_firing = grows is None and spikes.max_count >= self.min_firing_fraction * steps
        if decay > 1 and (site.framework not in HAND_WRITTEN or grows or by_firing):
            return "with a decay above 1, the potential grows without limit"
        if decay < self.min_decay:
            return "nothing of one time step is left in the next one"
        accumulated = neuron.input_gain * geometric_sum(decay, steps)
        is_slow = neuron.tau_mem is not None and neuron.tau_mem > steps and steps > 1
        if not is_slow or accumulated >= self.min_accumulated_input:
            return ""
        return fill(
            "an input of 1 in all {steps} time steps adds only {sum:.2n} to the potential in total",
            steps=steps,
            sum=accumulated,
        )

    def may_be_repaired(self, finding: Finding) -> bool:
        """Return whether the network may learn without what the finding says is missing: memory."""
        decay = finding.observed.numbers.get("decay")
        return isinstance(decay, float) and 0 <= decay < self.min_decay

    def is_over(self, finding: Finding, readings: Readings, *, made_now: bool) -> bool:
        """Return whether the neuron has other parameters by now."""
        now = readings.site(finding.site.kind)
        return not made_now and now is not None and now.neuron != finding.site.neuron

    def replaced_value(self, site: Site, replaced: ReplacedParameter) -> Finding:
        """Return the finding where the library uses another value than the one that was set."""
        requested, effective = replaced.requested, replaced.effective
        because = "the library clamps it silently"
        if requested > 1:
            because += fill(
                "; a time constant of {tau:.4n} steps is a decay of exp(-1 / {tau:.4n}) = {decay}",
                tau=requested,
                decay=exp(-1 / requested),
            )
        has_drifted = replaced.learned and abs(requested - effective) <= self.max_learned_drift
        return self.finding(
            site,
            severity=Severity.NOTE if has_drifted else Severity.WARNING,
            observed=Observed(
                "{name} is set to {requested:.6n}, and {effective:.6n} is used",
                name=replaced.name,
                requested=requested,
                effective=effective,
            ),
            expected=Expected("a decay between 0 and 1", because=because),
            does=fill(
                "is set to {name} = {requested:.4n}, but {library} uses {effective:.4n}",
                name=replaced.name,
                requested=requested,
                library=site.framework or "its library",
                effective=effective,
            ),
            excess=1,
        )
