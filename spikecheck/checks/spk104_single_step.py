"""A network that is given one time step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings
from spikecheck.checks.layers import spiking
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import InputReading, SpikeReading, StateReading
from spikecheck.site import Site, SiteKind

BY_HAND = (None, "torch")  # of these a call may be a step or a whole sequence


@dataclass(frozen=True)
class SingleStep(Check):
    """Every spiking layer sees a single time step.

    ## What it means
    In every forward, each spiking layer got one step, and no state went on to the next forward. A script that calls the
    model once a time step is left alone: there, state is carried from call to call, or several calls come before a
    loss. Layers written by hand count where their time axis is known.

    ## Why it matters
    A neuron that lives for one step adds nothing up: it compares one weighted sum with its threshold, as a perceptron
    does, and leak and reset play no part. A drive that reaches the threshold in ten steps never does in one, so that
    layers are silent. The usual reason is a missing time axis: a static frame that was unsqueezed to one step and not
    repeated, or an axis that was averaged away.

    ## Fix
    ```python any
    x = x.unsqueeze(1).expand(-1, steps, *x.shape[1:])  # [batch, channels]: repeat a static frame
    ```
    ```python snntorch
    spikes = [layer(x, mem) for _ in range(steps)]  # a layer is called once a step: loop over them, and hand mem on
    ```
    ```python spikingjelly
    x = x.unsqueeze(0).repeat(steps, 1, 1)  # [steps, batch, channels] for step_mode "m"
    ```
    ```python norse
    x = x.unsqueeze(0).repeat(steps, 1, 1)  # [steps, batch, channels] for a layer; a cell wants a loop over the steps
    ```

    ## Intended when
    The network was distilled to one step on purpose: `[tool.spikecheck.ignore] "SPK104" = "T = 1 by design"`
    """

    id: ClassVar = "SPK104"
    slug: ClassVar = "single-step"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.INPUT
    needs: ClassVar = (InputReading,)
    message: ClassVar = "every spiking layer sees one time step: {layers} layers, {shape}"

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where all layers that show their steps see one, and nothing is carried on."""
        sites = spiking(readings)
        read = [(s, readings.at(s.name)) for s in sites if readings.at(s.name).get(SpikeReading)]
        one = [r[SpikeReading].steps == r[SpikeReading].forwards for _, r in read]
        sure = [r[SpikeReading].timed or s.framework not in BY_HAND for s, r in read]
        carried = [state.carried for _, r in read if (state := r.get(StateReading))]
        run = readings.run
        if not (one and all(one) and all(sure)) or any(carried) or run.stepped or not run.backwards:
            return
        x = readings[InputReading]
        yield self.found(
            site,
            seen=Seen(
                "{layers} spiking layers, 1 step each in a forward; the input is {shape}",
                layers=len(one),
                shape=x.shape,
            ),
            expected=Expected("several steps", because="a neuron that lives for one step neither leaks nor adds up"),
            weight=1,
        )
