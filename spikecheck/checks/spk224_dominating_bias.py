"""A layer whose current is its bias, whatever the input."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, log10, sqrt
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.fixes import joined, parameter_path
from spikecheck.checks.layers import spikes_unused, threshold_of
from spikecheck.checks.learning import has_learned, has_learned_much
from spikecheck.finding import Expected, Finding, Fix, Observed, Severity
from spikecheck.readings import DriveReading, ParameterReading, SpikeReading
from spikecheck.site import Site, SiteKind

PER_STEP = "a bias acts in every time step: where it was trained on their sum, divide it by their number"
CURRENT = "a bias is a current in every time step, and no switch"


@dataclass(frozen=True)
class DominatingBias(Check):
    """The bias drives a layer to its threshold, and what the input adds is small beside it.

    ## What it means
    A bias is added in every time step, while the input comes as a few spikes. The neurons fire at the rate that their
    bias gives, and hardly differ between samples. This is what happens to a network that was trained on sums over time,
    or without time, and keeps its biases as a spiking network.

    ## Example
    ```python broken
    fc1.bias.data.fill_(2.0)  # trained on the events of 40 time steps together
    lif1 = sinabs.layers.IAF()
    ```
    ```python repaired
    fc1.bias.data.fill_(2.0 / 40)
    lif1 = sinabs.layers.IAF()
    ```

    ## Fix
    ```python any
    # replace 40 by the number of time steps over which the inputs were added up in training
    model.fc.bias.data /= 40
    ```

    ## When it is intended
    The neurons fire spontaneously, and their input modulates that rate.
    ```toml
    [tool.spikecheck.ignore]
    "SPK224:lif1" = "spontaneous firing"
    ```

    ## How it is decided
    The RMS of a layer's own bias is {min_bias} thresholds or more per time step, and at least {min_ratio} times the RMS
    of its input current. It is only a note in a network that has learned: one whose loss is at most half of that of a
    guess, or, while training runs, anywhere below it.

    The bias of the module before a layer is a part of that current, and what the input adds is the difference of the
    mean squares. Training lets the two cancel each other, so such a bias is judged only in a network that is evaluated
    without any training, and only if the current is larger than the bias.

    A layer that hardly fires is skipped, and so is one whose spikes get no gradient, since only its potential is used.
    """

    id: ClassVar = "SPK224"
    slug: ClassVar = "dominating-bias"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.SPIKES
    needs: ClassVar = (SpikeReading,)
    explained_by: ClassVar = ("SPK407",)
    explains: ClassVar = ("SPK201", "SPK204")
    self_resolving: ClassVar = True
    past: ClassVar = "the bias of {site} dominated its input"
    message: ClassVar = (
        "the current of {site} is mostly its bias: {bias:.2n} thresholds per time step (RMS), with {rest:.2n} of input"
    )

    min_bias: float = limit(
        0.5,
        why="judgment call: half a threshold in every time step; standard initializers give 0.07 with 64 inputs",
    )
    min_ratio: float = limit(
        3.0,
        why="derived: the bias is then 90% of the mean square of the current; measured: at most 0.7 in healthy "
        "networks, 7.3 where the biases of a converted network were not divided",
    )
    min_rate: float = limit(0.1, why="judgment call: a layer that such a bias drives fires far more often")

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where the bias is all but everything that the layer gets."""
        threshold, rate, drive = threshold_of(site), readings[SpikeReading].rate, readings.get(DriveReading)
        if not threshold or threshold < 0 or drive is None or spikes_unused(readings):
            return
        if rate is None or rate < self.min_rate:
            return
        places = {one.name: one for one in readings.observations.sites}
        for name in (f"{site.fed_by}.bias", f"{site.name}.bias"):
            parameter, is_own = readings.at(name).get(ParameterReading), name.startswith(f"{site.name}.")
            if parameter is None or not (is_own or (readings.run.without_gradients and drive.rms > parameter.rms)):
                continue
            bias = parameter.rms
            rest = drive.rms if is_own else sqrt(drive.rms * drive.rms - bias * bias)
            if bias >= max(self.min_bias * threshold, self.min_ratio * rest):
                path = parameter_path(places[name])
                change = f"{path}.data.zero_()" if is_own else f"{path}.data /= {steps(readings)}"
                fixes = joined({CURRENT if is_own else PER_STEP: [change]}) if path else ()
                yield self.of(site, readings, bias / threshold, rest / threshold, fixes)

    def of(self, site: Site, readings: Readings, bias: float, rest: float, fixes: tuple[Fix, ...]) -> Finding:
        """Return the finding for a bias and what else the layer gets, in thresholds."""
        learned = has_learned(readings) if readings.run.live else has_learned_much(readings)
        return self.finding(
            site,
            severity=Severity.NOTE if learned else Severity.WARNING,
            observed=Observed("bias {bias:.2n}, input {rest:.2n} thresholds per time step", bias=bias, rest=rest),
            expected=Expected(
                "an input that is larger than the bias",
                because="neurons that are driven by their bias fire alike for all samples",
            ),
            fixes=fixes or None,
            excess=log10(bias / (self.min_ratio * rest)) if rest else inf,
        )


def steps(readings: Readings) -> int:
    """Return the number of time steps of a forward pass."""
    spikes = readings[SpikeReading]
    return spikes.time_steps // max(1, spikes.forward_passes)
