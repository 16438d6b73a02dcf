"""The gradient norms of the weights from input to output, which vanishing and exploding gradients are judged by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from math import inf
from typing import Any

from spikecheck.checks.base import Check, Readings
from spikecheck.checks.layers import spiking_sites
from spikecheck.checks.progress import weight_names
from spikecheck.finding import Fix, Observed
from spikecheck.number_format import fill
from spikecheck.readings import FlowReading, GradientReading
from spikecheck.site import Site
from spikecheck.update_readings import GradientAtStepReading

GROWTH = 3.0  # judgment call: any surrogate gradient is largest at the threshold, or the same everywhere
LARGE_SLOPE = 3.0  # judgment call: a product over 20 time steps is then a billion


@dataclass(frozen=True)
class GradientNorms:
    """The mean gradient norm of each weight in the recent updates, in the order of the data flow.

    Left out are norms of 0 and those that are not finite; gradients that no backward pass made, such as those of a
    local learning rule; and what else a module with a `weight` learns, such as the positions of delays.
    """

    by_weight: Mapping[str, float]

    @classmethod
    def of(cls, readings: Readings) -> GradientNorms:
        """Return the norms of a run."""
        gradients, names = readings.every(GradientReading), weight_names(readings)
        at_step = readings.all.every(GradientAtStepReading)
        own = [
            name for name in names if name in at_step and 2 * at_step[name].replaced_updates <= at_step[name].updates
        ]
        names = [name for name in (own if at_step else names) if is_main_weight(name, names)]
        norms = {name: gradients[name].mean_norm for name in names if name in gradients}
        return cls({name: norm for name, norm in norms.items() if 0 < norm < inf})

    def begin_at(self, site: Site) -> bool:
        """Return whether a site is the first of several weights: where one finding stands for all of them."""
        return len(self.by_weight) > 1 and next(iter(self.by_weight)) == site.name

    @property
    def names(self) -> list[str]:
        """The weights, from input to output."""
        return list(self.by_weight)

    @property
    def first(self) -> float:
        """The norm of the weight nearest the input."""
        return self.by_weight[self.names[0]]

    @property
    def last(self) -> float:
        """The norm of the weight nearest the loss."""
        return self.by_weight[self.names[-1]]

    @property
    def falls(self) -> list[float]:
        """How many times smaller the norm of each weight is than that of the next."""
        return [after / before for before, after in pairwise(self.by_weight.values())]

    def observed(self, remark: str = "", **numbers: Any) -> Observed:
        """Return all norms as a phrase, with a remark behind them."""
        slots = {f"norm_{index}": norm for index, norm in enumerate(self.by_weight.values())}
        listing = ", ".join(f"{name} {{{slot}:.2n}}" for name, slot in zip(self.names, slots, strict=True))
        return Observed(f"gradient norms from input to output: {listing}{remark}", **slots, **numbers)

    @property
    def numbers(self) -> dict[str, Any]:
        """What the message of a finding says."""
        return {"first": self.first, "last": self.last, "last_weight": self.names[-1]}


def is_main_weight(name: str, names: list[str]) -> bool:
    """Return whether a parameter is the `weight` of its module, or the module has none of that name."""
    module, _, own = name.rpartition(".")
    return own == "weight" or f"{module}.weight".lstrip(".") not in names


def growing_surrogate(readings: Readings) -> str:
    """Return which layer's surrogate gradient grows with the distance from the threshold, as a clause; or nothing."""
    for name, flow in readings.all.every(FlowReading).items():
        slope = flow.surrogate
        if slope is not None and slope.far >= max(GROWTH * slope.near, LARGE_SLOPE):
            return fill(
                "the surrogate gradient of {name} grows with the distance from the threshold, from {near:n} to {far:n}",
                name=name,
                near=slope.near,
                far=slope.far,
            )
    return ""


def surrogate_fixes(check: Check, readings: Readings) -> tuple[Fix, ...]:
    """Return the code of a check's text for every spiking layer: a surrogate gradient is theirs, and no weight's."""
    fixes = [fix for site in spiking_sites(readings) for fix in check.fixes(site)]
    if not fixes:
        return ()
    lines = dict.fromkeys(line for fix in fixes for line in fix.code.splitlines())
    return (replace(fixes[0], code="\n".join(lines)),)
