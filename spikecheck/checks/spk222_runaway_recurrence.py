"""Recurrent weights through which the spikes of a layer cause ever more spikes, of others or of the same neurons."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log10, sqrt
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.fixes import module_path, parameter_path, plain_number
from spikecheck.checks.layers import (
    LARGE_SCALE,
    WHY_LARGE_SCALE,
    drives_itself,
    spiking_sites,
    synaptic_gain,
    threshold_of,
)
from spikecheck.checks.learning import has_learned_much
from spikecheck.finding import Expected, Finding, Fix, Observed, Severity
from spikecheck.number_format import fill
from spikecheck.readings import DriveReading, ParameterReading, SpikeReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class RunawayRecurrence(Check):
    """A layer feeds itself many times the current that its input brings.

    ## What it means
    Each spike causes more than one other spike of the same layer through the recurrent weights, so the activity grows
    from time step to time step and no longer depends on the input. Neurons that may spike several times per time step
    have no limit to stop it.

    ## Example
    ```python broken
    # rockpool: the current of a spike lasts for about 10 time steps
    lif = LIFTorch(48, tau_mem=0.02, tau_syn=0.01, dt=0.001, has_rec=True)
    spikes, _, _ = lif(fc(x))
    ```
    ```python repaired
    # rockpool: the current of a spike lasts for about 10 time steps
    lif = LIFTorch(48, tau_mem=0.02, tau_syn=0.01, dt=0.001, has_rec=True)
    lif.w_rec.data.mul_(0.07)
    spikes, _, _ = lif(fc(x))
    ```

    ## Fix
    ```python any
    # before training: replace 0.1 by 1 / (scale * time steps for which the current of a spike lasts)
    recurrent_weight.data.mul_(0.1)
    ```

    ## When it is intended
    The layer is a generator whose activity does not depend on its input.
    ```toml
    [tool.spikecheck.ignore]
    "SPK222:lif.w_rec" = "a pattern generator"
    ```

    ## How it is decided
    The weight maps as many neurons to as many, and the layer holds or applies it, and is not fed by it. What the layer
    feeds back per time step is at least the scale of the weight (its RMS times sqrt(number of inputs)) times the firing
    rate, or times its square root if that is larger. A finding needs a feedback of {min_feedback} thresholds or more,
    which is {min_ratio} times the RMS of the input current or more. Binary spikes cannot cause that with a scale
    of at most {max_scale}; a larger scale is reported as such.

    Where each neuron feeds its spike back to itself alone, what the spike adds is compared with what the reset takes: a
    neuron that spikes at its threshold spikes again without any input if the weight is at least 2 - decay thresholds,
    with a reset by subtraction. A finding needs such a weight, and {min_repeated_share:%} of the spikes right after
    another one of the same neuron; it is a note where the network learns much all the same.
    """

    id: ClassVar = "SPK222"
    slug: ClassVar = "runaway-recurrence"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.PARAMETER | SiteKind.SPIKES
    explained_by: ClassVar = ("SPK101", "SPK207", "SPK407", "SPK413")
    explains: ClassVar = (
        *("SPK201", "SPK204", "SPK212", "SPK301", "SPK302", "SPK303", "SPK309", "SPK312", "SPK313"),
        *("SPK402", "SPK403", "SPK405"),
    )
    past: ClassVar = "{site} fed back many times the input"
    message: ClassVar = "recurrent input to {layer} {what}"

    min_feedback: float = limit(
        10.0,
        why="judgment call: in thresholds per time step; measured: at most 0.1 in a network that learns, 3,000 in the "
        "same one with ten times the recurrent weights",
    )
    min_ratio: float = limit(10.0, why="judgment call: the input is then a tenth of what drives the layer")
    max_scale: float = limit(LARGE_SCALE, why=WHY_LARGE_SCALE)

    min_repeated_share: float = limit(
        0.9, why="measured: 0.97 with a weight of 3 thresholds; at a rate of 0.9, chance alone", maximum=1
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where a layer, or one that holds this weight, feeds itself far more than it gets."""
        if site.kind is SiteKind.SPIKES:
            yield from self.own_spikes(site, readings)
            return
        weight = readings.get(ParameterReading)
        if weight is None or weight.scale > self.max_scale:
            return
        for layer in (s for s in spiking_sites(readings) if drives_itself(s, site.name, readings)):
            at, threshold = readings.at(layer.name), threshold_of(layer)
            drive, spikes = at.get(DriveReading), at.get(SpikeReading)
            if drive is None or spikes is None or spikes.rate is None or threshold is None or threshold <= 0:
                continue
            feedback = weight.scale * max(spikes.rate, sqrt(max(0.0, spikes.rate)))
            if feedback < self.min_feedback * threshold or feedback < self.min_ratio * drive.rms or drive.rms <= 0:
                continue
            yield self.finding(
                site,
                observed=Observed(
                    "a scale of {scale:n} and {rate:n} spikes per neuron and time step, which add {feedback:n} to the "
                    "current in each time step; the input adds {drive:n} (RMS)",
                    scale=weight.scale,
                    rate=spikes.rate,
                    feedback=feedback,
                    drive=drive.rms,
                ),
                expected=Expected(
                    "a feedback no larger than the input",
                    because="otherwise each spike causes more spikes, whatever the input",
                ),
                excess=log10(feedback / (self.min_ratio * drive.rms)),
                fixes=self.fix(site, layer, weight),
                layer=layer,
                what=fill(
                    "through {weight} is {ratio:x} its input from outside", weight=site, ratio=feedback / drive.rms
                ),
            )

    def own_spikes(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where a spike makes its own neuron spike again, whatever the input is."""
        neuron, spikes = site.neuron, readings.get(SpikeReading)
        if neuron is None or neuron.self_weight is None or neuron.decay is None or spikes is None:
            return
        threshold = neuron.v_threshold
        if not threshold or threshold < 0 or neuron.reset != "subtract" or not spikes.active:
            return
        enough, repeated = (2 - neuron.decay) * threshold, spikes.consecutive_products / spikes.active
        if neuron.self_weight < enough or repeated < self.min_repeated_share:
            return
        path, ratio = module_path(site), neuron.self_weight / threshold
        smaller = f"{path}.{neuron.self_weight_name}.data.fill_({plain_number(threshold / 10)})"
        yield self.finding(
            site,
            severity=Severity.NOTE if has_learned_much(readings) else self.severity,
            observed=Observed(
                "{repeated:%} of the spikes follow another one of the same neuron; a spike adds {weight:n} to the "
                "potential, and the reset takes {threshold:n}",
                repeated=repeated,
                weight=neuron.self_weight,
                threshold=threshold,
            ),
            expected=Expected(
                "a weight below {enough:n}",
                enough=enough,
                because="with a larger one, a neuron that has spiked once spikes at every step, whatever its input",
            ),
            excess=log10(neuron.self_weight / enough),
            fixes=(Fix(smaller),) if path else None,
            layer=site,
            what=fill("is {ratio:n} thresholds for each spike of the same neuron", ratio=ratio),
        )

    def fix(self, site: Site, layer: Site, weight: ParameterReading) -> tuple[Fix, ...]:
        """Return code that scales the weight so that a spike causes about one other."""
        path, neuron = parameter_path(site), layer.neuron
        if not path or neuron is None or neuron.v_threshold is None:
            return self.fixes(site)
        gain = weight.scale * neuron.input_gain * synaptic_gain(neuron) / neuron.v_threshold
        factor = plain_number(min(1 / gain, 1 / self.min_ratio))
        return (Fix(f"# before training: a spike then causes about one other spike\n{path}.data.mul_({factor})"),)
