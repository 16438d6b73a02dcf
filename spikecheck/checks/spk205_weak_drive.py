"""A silent layer whose drive cannot reach the threshold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from math import exp, inf, log10
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.layers import (
    ALIVE_RATE,
    LARGE_SCALE,
    SMALL_SCALE,
    WHY_LARGE_SCALE,
    WHY_MIN_FORWARD_PASSES,
    WHY_SMALL_SCALE,
    describe_weight,
    explained_by_tiny_weights_only,
    input_weight,
    is_silent,
    norm_behind,
    peak_potential,
    spikes_may_be_unused,
    spikes_unused,
    threshold_of,
    too_early,
    upstream_spikes,
)
from spikecheck.checks.progress import waits_for_training
from spikecheck.checks.silence import quiet_since, rate_now
from spikecheck.checks.waking import waking_fix
from spikecheck.finding import Expected, Finding, Fix, Observed, Severity
from spikecheck.neuron import NeuronSpec
from spikecheck.number_format import fill
from spikecheck.readings import DriveReading, SpikeReading, StateReading
from spikecheck.site import Site, SiteKind

MAX_STEPS = 1000  # judgment call: a threshold that is reached later is too high


@dataclass(frozen=True)
class WeakDrive(Check):
    """The input of a silent layer is too weak to reach the threshold.

    ## What it means
    The layer never fires although it gets input, from the layer before it or from the data: its membrane potential
    stays below the threshold for every input. The finding says why: the input is never positive, the weights are tiny,
    the layer scales its input down, or the threshold is too high.

    ## Example
    ```python broken
    fc1 = nn.Linear(700, 128)
    # norm_input=True by default: the input is multiplied by 0.05
    lif1 = sinabs.layers.LIF(tau_mem=20.0)
    spikes = lif1(fc1(x))  # always 0
    ```
    ```python repaired
    fc1 = nn.Linear(700, 128)
    lif1 = sinabs.layers.LIF(tau_mem=20.0, norm_input=False)
    spikes = lif1(fc1(x))
    ```

    ## Fix
    ```python handwritten
    # replace 0.1: it has to be below the highest potential (see the finding)
    layer.threshold = 0.1
    # or use larger weights before the layer
    ```
    ```python snntorch
    # replace 0.1: it has to be below the highest potential (see the finding)
    layer.threshold.data.fill_(0.1)
    # or use larger weights before the layer
    ```
    ```python sinabs
    # norm_input=True multiplies the input by 1 - decay
    layer.norm_input = False
    # if it is still silent, lower its threshold as well (0.1 is an example)
    layer.spike_threshold.data = torch.full_like(layer.spike_threshold, 0.1)
    ```
    ```python spikingjelly
    # replace 0.1: it has to be below the highest potential (see the finding)
    layer.v_threshold = 0.1
    # or stop the layer from scaling its input down: layer.decay_input = False
    ```
    ```python norse
    # replace 0.1: it has to be below the highest potential (see the finding)
    layer.p = layer.p._replace(v_th=torch.tensor(0.1))
    # also check that layer.p.tau_mem_inv is 1 / tau (100 for 10 ms), not tau
    ```

    ## When it is intended
    Only the potential of the layer is used, and its threshold is out of reach on purpose. In a run that trains,
    spikecheck recognizes this on its own.
    ```toml
    [tool.spikecheck.ignore]
    "SPK205:readout" = "its potential is read"
    ```

    ## How it is decided
    spikecheck reports an error if the layer emitted no spike, the spiking layer before it (if there is one) did, and
    the highest potential is below the threshold. If potentials were not observed, the highest one is estimated: the
    potential that the neuron reaches if its input is the RMS of the input current in every time step. While training
    runs, the layer is judged only after {min_forward_passes} forward passes, and the finding is printed only from
    update 64 on, because training may make it fire. It is printed earlier in two cases: no weight between the input and
    the layer is being updated, or its highest potential stays below 10% of the threshold. A layer whose spikes get no
    gradient, because only its potential is used, is not reported. Before the first backward pass this is unknown for
    the last spiking layer, which then gets a note.

    The reason in the finding depends on the scale of the weights before the layer, which is their RMS times
    sqrt(fan-in). If it is below {min_weight_scale}, the weights are tiny, and that is the reason. Otherwise the reason
    is that the layer scales its input down or that its threshold is too high, as it is where the potential would not
    reach the threshold even with weights of a scale of {max_weight_scale}. If it is above {max_weight_scale}, the
    finding also says that the weights are large; the reason stays the same, because even with these weights the drive
    is too weak. If no input current is above 0, the weights are not considered.

    If a forward pass is shorter than the membrane time constant, and with the same input the potential would reach the
    threshold in at most 1,000 time steps, the reason is that there are too few, even if the layer scales its
    input down: a gain of 1 - decay leaves the steady-state value as it is. The fix then says how many are needed.

    Some layers multiply their input by a gain of 1 - decay by default. This is 0.05 for a time constant of 20 steps.

    The fix that is printed with a finding sets the threshold to half of the highest potential in the first forward
    pass, because training starts again from these weights, or in the run if the layer got no spikes then. For later
    layers that have received no spikes yet, it uses the RMS potential they would have if 5% of their inputs fired.
    """

    id: ClassVar = "SPK205"
    slug: ClassVar = "weak-drive"
    severity: ClassVar = Severity.ERROR
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.CURRENT
    needs: ClassVar = (DriveReading, SpikeReading)
    explained_by: ClassVar = (
        "SPK102",
        "SPK103",
        "SPK104",
        "SPK207",
        "SPK209",
        "SPK211",
        "SPK214",
        "SPK215",
        "SPK405",
        "SPK406",
        "SPK407",
        "SPK412",
        "SPK413",
    )
    self_resolving: ClassVar = True
    past: ClassVar = "the potential of {site} did not reach its threshold"
    message: ClassVar = "{site} is silent: its potential peaks at {peak}, below its threshold of {threshold}"

    min_weight_scale: float = limit(SMALL_SCALE, why=WHY_SMALL_SCALE)
    max_weight_scale: float = limit(LARGE_SCALE, why=WHY_LARGE_SCALE)
    min_forward_passes: int = limit(10, why=WHY_MIN_FORWARD_PASSES)

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding if a layer is silent although the layer before it fires."""
        drive, spikes = readings[DriveReading], readings[SpikeReading]
        threshold, peak = threshold_of(site), peak_potential(site, readings)
        if threshold is None or peak is None or site.neuron is None or not peak < threshold:
            return
        if drive.non_finite.count or not is_silent(spikes) or is_silent(upstream_spikes(site, readings)):
            return
        if rate_now(readings):
            return
        if spikes_unused(readings) or too_early(readings, spikes.forward_passes, self.min_forward_passes):
            return
        waits = waits_for_training(site, readings)
        weight, short = input_weight(site, readings), shortage(site, readings, peak / threshold)
        finding = self.finding(
            site,
            severity=Severity.NOTE if spikes_may_be_unused(site, readings) or waits else Severity.ERROR,
            observed=Observed(
                "largest input current {largest}; the potential peaks at {peak}, the threshold is {threshold}",
                largest=drive.maximum,
                peak=peak,
                threshold=threshold,
            ),
            expected=Expected(
                "a potential above {threshold} for some neurons and time steps",
                because=self.cause(site, readings, peak / threshold, "" if short is None else short.reason),
                threshold=threshold,
            ),
            when=quiet_since(readings, ALIVE_RATE),
            excess=log10(threshold / peak) if peak > 0 else 1,
            fixes=waking_fix(site, readings) if short is None else short.advised(waking_fix(site, readings)),
        )
        yield explained_by_tiny_weights_only(finding, weight, self.min_weight_scale, by="SPK406")

    def is_over(self, finding: Finding, readings: Readings, *, made_now: bool) -> bool:
        """Return whether a spike shows by now that some potential reaches the threshold."""
        spikes = readings.get(SpikeReading)
        return not made_now and (bool(rate_now(readings)) or (spikes is not None and spikes.active > 0))

    def cause(self, site: Site, readings: Readings, reached: float, too_short: str) -> str:
        """Return which of the numbers is wrong: the sign of the input, the weights, the gain, the steps, the threshold.

        `reached` is the highest potential, in thresholds; `too_short` says that there are too few time steps, where
        there are.
        """
        drive, weight = readings[DriveReading], input_weight(site, readings)
        gain = 1.0 if site.neuron is None else site.neuron.input_gain
        if drive.maximum <= 0:
            return fill(
                "no input current was above 0 (mean {mean}): a negative bias or inhibition holds the layer down",
                mean=drive.mean,
            )
        description = describe_weight(weight, self.min_weight_scale, self.max_weight_scale)
        normalized = weight is not None and norm_behind(site, weight, readings) is not None
        if normalized:
            description = "a normalization sets the scale of the input"
        in_reach = weight is not None and reached * self.max_weight_scale >= weight.scale
        if weight is not None and weight.scale < self.min_weight_scale and in_reach and not normalized:
            return description + ", so they have to be larger"
        if too_short:
            return too_short
        if gain < 1:
            return description + fill(", and the layer multiplies its input by only {gain:.2n}", gain=gain)
        return description if weight is None else description + ", so the threshold is too high"


@dataclass(frozen=True)
class Shortage:
    """Time steps that are too few for a potential to reach its threshold, beside those that would be enough."""

    steps: float
    tau: float
    share: float  # of its steady-state value that the potential reaches
    needed: int

    @property
    def reason(self) -> str:
        """Why the layer is silent."""
        return fill(
            "a forward pass has {steps:n} time steps and the time constant is {tau:n}, so the potential reaches only "
            "{share:%} of its steady-state value; it would reach the threshold after {needed} time steps",
            steps=self.steps,
            tau=self.tau,
            share=self.share,
            needed=self.needed,
        )

    def advised(self, fixes: tuple[Fix, ...]) -> tuple[Fix, ...]:
        """Return the fixes, under a comment that says how many time steps would do."""
        text = "# {needed} time steps or more, in place of {steps:n}; or else:\n"
        comment = fill(text, needed=self.needed, steps=self.steps)
        return tuple(replace(fix, code=comment + fix.code) for fix in fixes)


def shortage(site: Site, readings: Readings, reached: float) -> Shortage | None:
    """Return the shortage of time steps that keeps a potential below its threshold; None where that is not the reason.

    `reached` is the highest potential, in thresholds.
    """
    drive, state, neuron = readings[DriveReading], readings.get(StateReading), site.neuron
    goes_on = readings.run.called_per_time_step or (state is not None and state.carried_sequences > 0)
    if goes_on or neuron is None or neuron.tau_mem is None or reached <= 0:
        return None
    steps, tau = drive.time_steps / drive.forward_passes, neuron.tau_mem
    if not steps < tau < inf:
        return None
    shares = list(islice(step_response(neuron), MAX_STEPS))
    share = shares[max(1, round(steps)) - 1]
    needed = next((n for n, later in enumerate(shares, start=1) if later * reached >= share), None)
    return None if needed is None else Shortage(steps, tau, share, needed)


def step_response(neuron: NeuronSpec) -> Iterator[float]:
    """Yield, for each time step with a constant input, the share of its steady-state value that a potential reaches."""
    decay, current, potential = neuron.decay or 0.0, 0.0, 0.0
    synapse = exp(-1 / neuron.tau_syn) if neuron.tau_syn and neuron.tau_syn > 0 else 0.0
    while True:
        current = synapse * current + 1 - synapse
        potential = decay * potential + (1 - decay) * current
        yield potential
