"""A network that is given one time step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings
from spikecheck.checks.layers import HAND_WRITTEN, spiking_sites
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import InputReading, SpikeReading, StateReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class SingleStep(Check):
    """Every spiking layer sees only one time step.

    ## What it means
    The network is run for a single time step, so its neurons cannot add up input over time: they compare one weighted
    sum with a threshold, like a perceptron. A drive that would reach the threshold within ten steps never does in one,
    and layers stay silent.

    ## Example
    ```python broken
    net = nn.Sequential(layer.Linear(784, 10), neuron.LIFNode())
    functional.set_step_mode(net, "m")  # spikingjelly: [time, batch, channels]
    x = images.flatten(1).unsqueeze(0)  # [1, batch, 784]: one time step
    logits = net(x).mean(0)
    ```
    ```python repaired
    net = nn.Sequential(layer.Linear(784, 10), neuron.LIFNode())
    functional.set_step_mode(net, "m")  # spikingjelly: [time, batch, channels]
    x = images.flatten(1).unsqueeze(0).repeat(20, 1, 1)  # [20, batch, 784]
    logits = net(x).mean(0)
    ```

    ## Fix
    ```python any
    # [batch, channels] -> [batch, time, channels]
    x = x.unsqueeze(1).expand(-1, steps, *x.shape[1:])
    ```
    ```python snntorch
    mem = layer.init_leaky()
    # an snntorch layer takes one time step per call
    for _ in range(steps):
        spikes, mem = layer(current, mem)
    ```
    ```python spikingjelly
    # [batch, channels] -> [time, batch, channels], for step_mode "m"
    x = x.unsqueeze(0).repeat(steps, 1, 1)
    ```
    ```python norse
    # [batch, channels] -> [time, batch, channels], for a layer
    # call a cell in a loop over time
    x = x.unsqueeze(0).repeat(steps, 1, 1)
    ```

    ## When it is intended
    The network was distilled to a single time step on purpose.
    ```toml
    [tool.spikecheck.ignore]
    "SPK104" = "T = 1 by design"
    ```

    ## How it is decided
    It is a warning where, in every forward pass that was observed, each spiking layer got exactly one time step, a
    backward pass was made, and no state was carried to the next forward pass. A script that calls the model once per
    time step is left alone: it carries state from call to call, or makes several calls before each loss. Hand-written
    layers count where their time axis is known.

    Leak and reset play no part in a single step. The usual cause is a missing time axis: a static image that was
    unsqueezed to one step and not repeated, or an axis that was averaged away.
    """

    id: ClassVar = "SPK104"
    slug: ClassVar = "single-step"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.INPUT
    needs: ClassVar = (InputReading,)
    past: ClassVar = "every spiking layer got a single time step per forward pass"
    message: ClassVar = "every spiking layer gets a single time step per forward pass; the input has shape {shape}"

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where all layers whose steps are known get one, and nothing is carried on."""
        layers = [(s, readings.at(s.name)) for s in spiking_sites(readings) if readings.at(s.name).get(SpikeReading)]
        single = [layer[SpikeReading].time_steps == layer[SpikeReading].forward_passes for _, layer in layers]
        known = [layer[SpikeReading].time_axis_known or s.framework not in HAND_WRITTEN for s, layer in layers]
        carried = [state.carried_sequences for _, layer in layers if (state := layer.get(StateReading))]
        run = readings.run
        if not (single and all(single) and all(known)) or any(carried):
            return
        if run.called_per_time_step or not run.backward_passes:
            return
        yield self.finding(
            site,
            observed=Observed(
                "{layers} spiking layers with 1 time step per forward pass; the input has shape {shape}",
                layers=len(single),
                shape=readings[InputReading].shape,
            ),
            expected=Expected(
                "several time steps", because="a neuron that lives for one time step neither leaks nor adds up"
            ),
            excess=1,
        )
