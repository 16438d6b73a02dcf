"""Neurons that spike several times in one step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import log10
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.layers import holds_spike_counts, list_values, spikes_unused, spiking_sites, without_cause
from spikecheck.checks.learning import is_near_guess
from spikecheck.finding import Expected, Finding, Fix, Observed, Severity
from spikecheck.readings import InputReading, SpikeReading
from spikecheck.site import Site, SiteKind, user_path

LITTLE_LEAK = 0.99  # judgment call: within a hundred time steps, a third of the potential is left


@dataclass(frozen=True)
class MultiSpike(Check):
    """Neurons of a spiking layer spike several times in one time step.

    ## What it means
    The layer emits whole numbers instead of 0 or 1: its spike function returns floor(potential / threshold), so an
    input of 40 thresholds results in 40 spikes. Such a layer passes on any input, however large, as a ReLU does, and
    activity can grow with every layer.

    ## Example
    ```python broken
    nn.init.normal_(fc1.weight)  # N(0, 1): a large drive
    lif1 = sinabs.layers.IAF()  # spike_fn=MultiSpike by default
    spikes = lif1(fc1(x))  # 0, 1, 2, ... 43
    ```
    ```python repaired
    nn.init.normal_(fc1.weight, std=fc1.in_features**-0.5)
    lif1 = sinabs.layers.IAF(spike_fn=sinabs.activation.SingleSpike)
    spikes = lif1(fc1(x))  # 0 or 1
    ```

    ## Fix
    ```python handwritten
    # in `forward` of the spike function; keep its surrogate gradient
    spikes = (potential >= threshold).float()
    ```
    ```python sinabs
    import sinabs.activation

    # the default is MultiSpike
    layer.spike_fn = sinabs.activation.SingleSpike
    ```
    ```python rockpool
    # the default allows 65,536 spikes per time step
    layer.max_spikes_per_dt.fill_(1)
    ```
    ```python spikingjelly
    from spikingjelly.activation_based import neuron

    # instead of ILIFNode, which emits up to 4 spikes per time step
    # with the input as it is, not divided by tau
    lif1 = neuron.LIFNode(tau=2.0, decay_input=False)
    ```

    ## When it is intended
    The network will run on hardware that takes several spikes per step, or emulates a ReLU network.
    ```toml
    [tool.spikecheck.ignore]
    "SPK201:lif1" = "multi-spike on purpose, converted from a ReLU network"
    ```

    ## How it is decided
    A layer is reported if its values are whole numbers, none negative, some above 1. spikecheck then takes the mean of
    the values above 0: the spikes that a neuron emits in a time step in which it fires. It warns if this mean is
    {max_spikes_per_active_step} or more, and reports a note if it is smaller, which does little harm. It also reports
    only a note if the loss is not far above that of a guess, or if no forward pass recorded gradients, as in a network
    that was converted from a ReLU network. While training runs, it is printed only from update 64 on, since a high
    first loss often falls quickly.

    If the potential does not leak during a forward pass, or even grows, SPK207 (faulty-decay) is the cause:
    each time step adds to it.

    A higher threshold hides the effect, as smaller weights do, but the layer can still emit several spikes per step.
    """

    id: ClassVar = "SPK201"
    slug: ClassVar = "multi-spike"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.SPIKES
    needs: ClassVar = (SpikeReading,)
    explained_by: ClassVar = (
        "SPK207",
        "SPK407",
        "SPK413",
    )
    of_first_loss: ClassVar = True
    past: ClassVar = "neurons of {site} spiked several times per time step"
    message: ClassVar = (
        "neurons of {site} spike up to {peak} times per time step instead of once ({average} on average when they fire)"
    )

    max_spikes_per_active_step: float = limit(
        3.0,
        why="measured: at most 1.6 in healthy networks (with up to 16 spikes in single steps), at least 7 in networks "
        "whose first loss is far above chance level; the value in between is a judgment call",
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where spikes are counted; the excess leaves out what the input's counts already explain."""
        spikes = readings[SpikeReading]
        average = spikes.mean_active_bin
        if not holds_spike_counts(spikes) or average is None or spikes_unused(readings):
            return
        converted = is_near_guess(readings) or readings.run.without_gradients  # perhaps from a ReLU network
        input_counts = [x.mean_active_bin or 0 for x in readings.every(InputReading).values()]
        finding = self.finding(
            site,
            severity=Severity.NOTE if average < self.max_spikes_per_active_step or converted else Severity.WARNING,
            observed=Observed(
                "up to {peak} spikes of a neuron per time step (values {values}), {average} on average when it fires",
                peak=spikes.maximum,
                values=list_values(spikes.values),
                average=average,
            ),
            expected=Expected(
                "at most 1 spike per neuron and time step",
                because="a neuron that emits floor(potential / threshold) spikes passes on any input, however large",
            ),
            excess=log10(average / max(self.max_spikes_per_active_step, *input_counts, 1)),
            fixes=self.fix(site, readings),
        )
        yield finding if keeps_potential(site) else without_cause(finding, "SPK207")

    def fix(self, site: Site, readings: Readings) -> tuple[Fix, ...]:
        """Return the fix of this layer, with the lines for all others that spike as often, since each has to change."""
        others = [s for s in spiking_sites(readings) if self.spikes_often(s, readings) and alike(s, site)]
        lines: list[str] = []
        for code in (fix.code for place in dict.fromkeys((site, *others)) for fix in self.fixes(place)):
            lines += [line for line in code.splitlines() if line not in lines]
        return tuple(replace(fix, code="\n".join(lines)) for fix in self.fixes(site))

    def spikes_often(self, site: Site, readings: Readings) -> bool:
        """Return whether the neurons of a layer spike so often in a time step that this check warns."""
        at = readings.at(site.name)
        spikes = at.get(SpikeReading)
        if spikes is None or not holds_spike_counts(spikes) or spikes_unused(at):
            return False
        return (spikes.mean_active_bin or 0) >= self.max_spikes_per_active_step


def alike(one: Site, other: Site) -> bool:
    """Return whether one fix can set both layers: they are of one library, and the script reaches both or neither."""
    return one.framework == other.framework and bool(user_path(one)) == bool(user_path(other))


def keeps_potential(site: Site) -> bool:
    """Return whether what a time step adds to the potential is still there, or has grown, at the end of many."""
    return site.neuron is not None and (site.neuron.decay or 0.0) > LITTLE_LEAK
