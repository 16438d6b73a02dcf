"""A layer driven so strongly that its threshold and its memory do not matter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isinf, log10
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.layers import (
    LARGE,
    SMALL,
    STRONG,
    WHY_LARGE,
    WHY_SMALL,
    WHY_STRONG,
    feeding,
    proposing,
    ratio,
    threshold,
    unsure,
    unused,
    weights,
    without,
)
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import DriveReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class StrongDrive(Check):
    """A spiking layer is driven far above its threshold.

    ## What it means
    What one step adds to the potential is {strong} thresholds or more, root mean square; or the threshold is not above
    0, so that a neuron at rest fires by itself.

    ## Why it matters
    The sign of one step's input decides whether the neuron fires: what it got before, its leak and its threshold hardly
    count. A spiking network in this state computes with signs, or, where neurons may spike several times a step, as a
    ReLU network whose scales multiply from layer to layer. The surrogate gradient is taken many thresholds away from
    where it is large. Where the weights before the layer are of ordinary scale, the threshold is too low for them, or
    the layer's input is too large.

    ## Fix
    ```python any
    layer.threshold = 1.0  # about what a step adds, root mean square; or smaller weights before it
    ```
    ```python snntorch
    layer.threshold.data.fill_(1.0)  # about what a step adds, root mean square; or smaller weights before it
    ```
    ```python sinabs
    layer.spike_threshold.data.fill_(1.0)  # about what a step adds, root mean square; or smaller weights before it
    ```
    ```python spikingjelly
    layer.v_threshold = 1.0  # about what a step adds, root mean square; or smaller weights before it
    ```
    ```python norse
    norse.torch.LIFCell(norse.torch.LIFParameters(v_th=torch.tensor(1.0)))  # about what a step adds
    ```

    ## Intended when
    The layer is to pass on the sign of its input, as an encoder of frames does: `[tool.spikecheck.ignore]
    "SPK206:encoder" = "one spike for every bright pixel"`
    """

    id: ClassVar = "SPK206"
    slug: ClassVar = "strong-drive"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.CURRENT
    needs: ClassVar = (DriveReading,)
    explained_by: ClassVar = (
        "SPK101",
        "SPK107",
        "SPK201",
        "SPK207",
        "SPK214",
        "SPK215",
        "SPK405",
        "SPK406",
        "SPK407",
        "SPK413",
    )
    message: ClassVar = "{site} gets {rms:.3g} a step (root mean square) for a threshold of {threshold:.3g}"

    strong: float = limit(STRONG, why=WHY_STRONG)
    small: float = limit(SMALL, why=WHY_SMALL)
    large: float = limit(LARGE, why=WHY_LARGE)

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where a step adds many thresholds, or where the threshold is at rest or below."""
        drive = readings[DriveReading]
        times, wanted = ratio(site, drive), threshold(site)
        if times is None or wanted is None or site.neuron is None or unused(readings):
            return
        if drive.non_finite.count or times < self.strong:
            return
        weight = feeding(site, readings)
        because = weights(weight, self.small, self.large)
        if isinf(times):
            because = "a neuron at rest has a potential of 0, so that it fires by itself"
        elif weight is not None and weight.scale <= self.large:
            because += ", so the threshold is too low, or what the weights are given is too large"
        rms = site.neuron.input_gain * drive.rms
        finding = self.found(
            site,
            severity=Severity.NOTE if unsure(site, readings) else Severity.WARNING,
            seen=Seen(
                "a step adds {rms:.3g} (root mean square), {largest:.3g} at most; the threshold is {threshold:.3g}",
                rms=rms,
                largest=site.neuron.input_gain * drive.maximum,
                threshold=wanted,
            ),
            expected=Expected(
                "a threshold above 0, and less than {strong:g} of them a step: about {rms:.3g} for this drive",
                because=because,
                strong=self.strong,
                rms=rms,
            ),
            weight=1 if isinf(times) else log10(times / self.strong),
        )
        if site.neuron.input_gain <= 1:
            finding = without(finding, "SPK207")
        yield proposing(finding, rms, instead_of="1.0") if rms > 0 else finding
