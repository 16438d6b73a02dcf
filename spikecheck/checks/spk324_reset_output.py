"""Outputs of a regression that a reset cuts off, since they are the potential of a neuron that fires."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isclose
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.layers import spikes_unused, spiking_sites, threshold_of
from spikecheck.checks.learning import MIN_LOSSES, learning_of
from spikecheck.checks.silence import rate_now
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import LossReading, PotentialReading, RegressionTargetReading, SpikeReading
from spikecheck.site import Moment, Site, SiteKind

ROUNDING = 1e-5  # of the largest output: two copies of one number agree to within this
RESETS = ("zero", "subtract")


@dataclass(frozen=True)
class ResetOutput(Check):
    """The output of a regression is a potential that is reset, and its targets lie above the threshold.

    ## What it means
    Each time the potential of the output neuron passes its threshold, the neuron is reset. It cannot hold a value above
    the threshold, so the output falls back again and again where the targets are high.

    ## Example
    ```python broken
    lif1, membrane, outputs = snn.Leaky(beta=0.8, reset_mechanism="zero"), None, []
    for frame in x:
        _, membrane = lif1(fc1(frame), membrane)
        outputs.append(membrane)
    output = torch.stack(outputs)[:, :, 0]
    loss = torch.nn.functional.mse_loss(output, torch.full_like(output, 2.5))
    ```
    ```python repaired
    lif1, membrane, outputs = snn.Leaky(beta=0.8, reset_mechanism="none"), None, []
    for frame in x:
        _, membrane = lif1(fc1(frame), membrane)
        outputs.append(membrane)
    output = torch.stack(outputs)[:, :, 0]
    loss = torch.nn.functional.mse_loss(output, torch.full_like(output, 2.5))
    ```

    ## Fix
    ```python any
    # let the output neurons integrate without spikes
    potential = decay * potential + current
    # or scale the targets: below the threshold, no neuron is reset
    target = 0.5 * threshold * target / target.abs().max()
    ```
    ```python snntorch
    layer.reset_mechanism = "none"
    # __init__ has chosen the function that resets
    layer.state_function = layer._base_int
    ```
    ```python spikingjelly
    # no potential reaches it
    layer.v_threshold = 1e9
    ```

    ## When it is intended
    The targets are the potentials of neurons that fire.
    ```toml
    [tool.spikecheck.ignore]
    "SPK324" = "recorded membrane potentials"
    ```

    ## How it is decided
    A finding needs {min_updates} updates and all of these:

    - the largest output of the first forward pass is the largest potential of the last spiking layer, whose spikes are
      not used, and there is more than one output per sample and neuron: one for each time step;
    - its library resets the potential, and it fires in {min_rate:%} of the time steps or more;
    - the mean of the targets is above its threshold;
    - the mean squared error is above {min_unexplained:%} of the variance of the targets.
    """

    id: ClassVar = "SPK324"
    slug: ClassVar = "reset-output"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.REGRESSION_TARGET
    needs: ClassVar = (RegressionTargetReading, LossReading)
    explains: ClassVar = ("SPK312",)
    past: ClassVar = "{site} were above the threshold of neurons that are reset"
    message: ClassVar = "{site} average {mean:n}, and {layer}, whose potential is the output, is reset at {threshold:n}"

    min_rate: float = limit(0.2, why="judgment call: in fewer time steps, a reset hardly adds to the loss")
    min_unexplained: float = limit(0.1, why="judgment call: an output that follows the targets that well needs no help")
    min_updates: int = limit(MIN_LOSSES, why="judgment call: before, nobody can expect learning")

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where a potential that is reset has to follow targets above the threshold."""
        whole, learning = readings.all[RegressionTargetReading], learning_of(readings)
        layer = max(spiking_sites(readings), key=lambda s: s.position, default=None)
        if layer is None or learning is None or learning.guess is None or whole.target_mean is None:
            return
        threshold, rate = threshold_of(layer), rate_now(readings.at(layer.name)) or 0.0
        if threshold is None or not self.is_output(layer, readings):
            return
        resets = layer.neuron is not None and layer.neuron.reset in RESETS and rate >= self.min_rate
        far = learning.level > self.min_unexplained * learning.guess
        if not (resets and far) or whole.target_mean <= threshold or readings.run.update < self.min_updates:
            return
        yield self.finding(
            site,
            observed=Observed(
                "targets from {lowest:n} to {highest:n}; {rate:%} of the time steps of {layer} end in a reset, and the "
                "loss is {level:n}",
                lowest=whole.target_minimum,
                highest=whole.target_maximum,
                rate=rate,
                layer=layer.name,
                level=learning.level,
            ),
            expected=Expected(
                "output neurons without a reset, or targets below {threshold:n}",
                threshold=threshold,
                because="a neuron that is reset at its threshold cannot hold a value above it",
            ),
            when=Moment(0),
            fixes=self.fixes(layer),
            mean=whole.target_mean,
            layer=layer,
            threshold=threshold,
        )

    def is_output(self, layer: Site, readings: Readings) -> bool:
        """Return whether the outputs of the first forward pass are the potentials of the layer, step by step."""
        first, at = readings.first.get(RegressionTargetReading), readings.first.at(layer.name)
        potential, spikes = at.get(PotentialReading), at.get(SpikeReading)
        if first is None or potential is None or spikes is None or not spikes_unused(readings.at(layer.name)):
            return False
        per_step = first.elements > spikes.samples * spikes.neurons
        return per_step and isclose(first.output_maximum, potential.maximum, rel_tol=ROUNDING)
