"""A spiking layer that never fires."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.layers import SMALL, WHY_PATIENCE, WHY_SMALL, feeding, hasty, silent, starved, unsure, unused
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import SpikeReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class DeadLayer(Check):
    """A spiking layer emits no spike at all.

    ## What it means
    No neuron of the layer fired in any recent step, for any sample. While training goes on, this is found only after
    {patience} forwards, and there is a warning only after 64 updates, since healthy layers may wake up; at once where
    none can: where no weight from the input up to the layer gets a gradient and moves. A layer whose potential is read
    out, and whose spikes get no gradient, is left alone.

    A layer that spikes now and then, 10 times in {patience} forwards on average, is found while training goes on less
    often than once in 1000 runs: independent spikes are all missing once in 22,000 looks, exp(-10), and later looks are
    at more forwards.

    ## Why it matters
    Everything behind it sees zeros: the input cannot reach the loss, and the best that remains to be learned is a bias.
    The loss then stays at the entropy of the labels, ln 20 = 3.0 for 20 classes. Gradients still pass the layer as far
    as the surrogate reaches from the threshold down to the potentials, so that it may wake up; a surrogate of limited
    width passes none.

    ## Fix
    ```python any
    layer.threshold = 0.1  # below what the potential reaches; or larger weights before it, or no negative bias
    ```
    ```python snntorch
    layer.threshold.data.fill_(0.1)  # below what the potential reaches; or larger weights before it
    ```
    ```python sinabs
    layer.spike_threshold.data.fill_(0.1)  # below what the potential reaches; or norm_input=False
    ```
    ```python spikingjelly
    layer.v_threshold = 0.1  # below what the potential reaches; or decay_input=False
    ```
    ```python norse
    norse.torch.LIFCell(norse.torch.LIFParameters(v_th=torch.tensor(0.1)))  # below what the potential reaches
    ```

    ## Intended when
    The layer is a gate that the task leaves closed: `[tool.spikecheck.ignore] "SPK203:gate" = "inhibitory, closed on
    this task"`
    """

    id: ClassVar = "SPK203"
    slug: ClassVar = "dead-layer"
    severity: ClassVar = Severity.ERROR
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.SPIKES
    needs: ClassVar = (SpikeReading,)
    explained_by: ClassVar = (
        "SPK102",
        "SPK103",
        "SPK104",
        "SPK205",
        "SPK207",
        "SPK209",
        "SPK214",
        "SPK215",
        "SPK401",
        "SPK405",
        "SPK406",
        "SPK407",
        "SPK412",
        "SPK413",
    )
    passes: ClassVar = True
    message: ClassVar = "{site} fired 0 times in {steps} steps ({neurons} neurons)"

    small: float = limit(SMALL, why=WHY_SMALL)
    patience: int = limit(10, why=WHY_PATIENCE)

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where a layer was silent; a note where its potential may be what is read."""
        spikes = readings[SpikeReading]
        if not silent(spikes) or unused(readings) or hasty(readings, spikes.forwards, self.patience):
            return
        finding = self.found(
            site,
            severity=Severity.NOTE if unsure(site, readings) else Severity.ERROR,
            seen=Seen(
                "no spike of {neurons} neurons in {steps} steps of {forwards} forwards",
                neurons=spikes.neurons,
                steps=spikes.steps,
                forwards=spikes.forwards,
            ),
            expected=Expected("spikes in some steps", because="behind a silent layer nothing is left of the input"),
        )
        yield starved(finding, feeding(site, readings), self.small, by="SPK406")
