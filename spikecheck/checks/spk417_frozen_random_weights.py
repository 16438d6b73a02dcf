"""Weights that are as they were drawn, and are not trained."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.layers import is_silent, spikes_unused, spiking_sites
from spikecheck.checks.learning import MIN_LOSSES, most_losses, telling
from spikecheck.checks.progress import and_more, axis_count, weight_names
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import GradientReading, ParameterReading, SpikeReading
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class FrozenRandomWeights(Check):
    """Weights that are excluded from training still have the scale of a fresh random initialization.

    ## What it means
    `requires_grad` is False for these weights, and they still have exactly the scale of torch's default initialization:
    what they compute is random and stays so. Either pretrained weights were not loaded, or the wrong layer was frozen.

    ## Example
    ```python broken
    lif = snntorch.Leaky(beta=0.9, init_hidden=True)
    model = torch.nn.Sequential(torch.nn.Linear(700, 100), lif, torch.nn.Linear(100, 20))
    model[0].requires_grad_(False)  # frozen by mistake: its weights are random
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    ```
    ```python repaired
    lif = snntorch.Leaky(beta=0.9, init_hidden=True)
    model = torch.nn.Sequential(torch.nn.Linear(700, 100), lif, torch.nn.Linear(100, 20))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    ```

    ## Fix
    ```python any
    # train them, or load trained weights before they are frozen
    layer.weight.requires_grad_(True)
    ```

    ## When it is intended
    The layer is a reservoir, or computes random features.
    ```toml
    [tool.spikecheck.ignore]
    "SPK417" = "a reservoir"
    ```

    ## How it is decided
    A weight with {min_elements} elements or more requires no gradient while others do, and has not changed since the
    start. Its RMS * sqrt(fan-in) is {default_scale}, as by default in `nn.Linear` and `nn.Conv2d`, to within
    {max_errors} standard errors for a weight of this size. It is only a note, since random weights may be intended. It
    is a warning after training where a single weight is trained, that of a readout, and its loss is
    {max_loss_of_guess:%} of a guess's or more: these random features do not tell the classes apart.

    Whatever its scale, a frozen weight that feeds a layer without any spike is a warning after {min_updates} updates:
    training cannot wake that layer, unless it trains another weight of the same module. Often the checkpoint with its
    values was not loaded, as by `load_state_dict(..., strict=False)` with keys that begin with `module.`.
    """

    id: ClassVar = "SPK417"
    slug: ClassVar = "frozen-random-weights"
    severity: ClassVar = Severity.NOTE
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.PARAMETER
    needs: ClassVar = (ParameterReading,)
    explains: ClassVar = ("SPK203", "SPK205", "SPK302", "SPK309")
    message: ClassVar = "{first}{more} {verb} not trained (requires_grad is False), and {why}"

    min_elements: int = limit(1024, why="derived: the scale of a uniform sample is then known to within 6%")
    default_scale: float = limit(
        0.57735, why="derived: 1 / sqrt(3), since the default of nn.Linear is uniform within 1 / sqrt(fan-in)"
    )
    max_errors: float = limit(
        4.0, why="derived: a weight with the default initialization is outside of this range once in 16,000 cases"
    )

    min_updates: int = limit(16, why="judgment call: a batch without spikes is then no accident")
    max_loss_of_guess: float = limit(
        0.8, why="judgment call: a readout of useful random features comes below this within a few epochs"
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield one finding, at the first such weight."""
        trained = readings.all.every(GradientReading)
        sites = [s for s in readings.observations.sites if s.kind is SiteKind.PARAMETER and s.name not in trained]
        frozen = sorted(sites, key=lambda s: s.position)
        layers = spiking_sites(readings) if readings.run.update >= self.min_updates else []
        silent = {layer.fed_by: layer for layer in layers if stays_silent(layer, readings)}
        learning = {owner_of(name) for name in weight_names(readings)}
        fed = {
            s.name: silent[owner]
            for s in frozen
            if (owner := owner_of(s.name)) in silent and owner not in learning and axis_count(readings, s.name) > 1
        }
        names = [s.name for s in frozen if s.name in fed or self.is_random(readings.at(s.name))]
        if not trained or names[:1] != [site.name]:
            return
        layer = next((fed[name] for name in names if name in fed), None)
        why = "still as random as at the start" if layer is None else f"{layer} behind {pronoun(names)} is silent"
        poor = None if layer is not None else self.poor_loss(readings)
        text = "RMS * sqrt(fan-in) = {scale:n} in {names}"
        yield self.finding(
            site,
            severity=Severity.NOTE if layer is None and poor is None else Severity.WARNING,
            observed=Observed(
                text if poor is None else text + "; with one trained weight, the loss is {loss:%} of a guess's",
                scale=readings[ParameterReading].scale,
                names=", ".join(names),
                loss=poor,
            ),
            expected=Expected(
                "weights that are trained, or that were loaded",
                because="the default initialization has a scale of 0.577",
            ),
            when=Moment(0),
            first=site.name,
            more=and_more(names),
            verb="is" if len(names) == 1 else "are",
            why=why,
        )

    def poor_loss(self, readings: Readings) -> float | None:
        """Return the loss of a readout of random features as a share of a guess's; None where it is low or unknown."""
        if readings.run.live or most_losses(readings) < MIN_LOSSES or len(weight_names(readings)) != 1:
            return None
        shares = [one.level / one.guess for one in telling(readings) if one.guess]
        return min(shares, default=None) if all(share >= self.max_loss_of_guess for share in shares) else None

    def is_random(self, weight: Readings) -> bool:
        """Return whether a weight has the scale of the default initialization, and is the same as at first."""
        now, first = weight.get(ParameterReading), weight.first.get(ParameterReading)
        if now is None or first is None or now.dimensions <= 1 or now.elements < self.min_elements:
            return False
        error = sqrt(0.2 / now.elements)  # of the RMS of a uniform sample, relative
        return now.rms == first.rms and abs(now.scale / self.default_scale - 1) <= self.max_errors * error


def stays_silent(layer: Site, readings: Readings) -> bool:
    """Return whether a layer had no spike at first and has none now, and its spikes are used."""
    at = readings.at(layer.name)
    silent = is_silent(at.get(SpikeReading)) and is_silent(at.first.get(SpikeReading))
    return bool(layer.fed_by) and silent and not spikes_unused(at)


def owner_of(parameter: str) -> str:
    """Return the name of the module that a parameter belongs to."""
    return parameter.rpartition(".")[0]


def pronoun(names: list[str]) -> str:
    """Return the word for these weights in the rest of a sentence."""
    return "it" if len(names) == 1 else "them"
