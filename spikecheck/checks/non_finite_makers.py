"""What made NaN or infinity where the graph shows no operation: the optimizer, a surrogate gradient, one update."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from spikecheck.checks.base import Readings
from spikecheck.checks.fixes import for_site, plain_number
from spikecheck.checks.gradient_norms import growing_surrogate
from spikecheck.checks.layers import spiking_sites
from spikecheck.finding import Fix
from spikecheck.number_format import fill
from spikecheck.readings import (
    DriveReading,
    GradientReading,
    InputReading,
    LossReading,
    PotentialReading,
    SpikeReading,
    UpdateReading,
)
from spikecheck.site import Site, SiteKind
from spikecheck.timelines import (
    CurrentTimelineReading,
    InputTimelineReading,
    LossTimelineReading,
    PotentialTimelineReading,
    SpikeTimelineReading,
)

FORWARD = (
    *(InputReading, DriveReading, PotentialReading, SpikeReading, LossReading),
    *(InputTimelineReading, CurrentTimelineReading, PotentialTimelineReading, SpikeTimelineReading),
    LossTimelineReading,
)
NEVER = 1 << 60
LOWER_RATE = 0.01  # judgment call: a parameter that one update moves by half of its size then takes 100 such updates
DIVISOR = 1e-3  # of Adam in float16, whose smallest number is 6e-8: the squares of gradients below 2e-4 are 0
KEPT_IN_FLOAT32 = f"""\
# parameters in float32; torch.autocast computes in float16 where that is safe
model.float()
# or a divisor that float16 can hold
optimizer.param_groups[0]["eps"] = {DIVISOR}"""
FINITE_SURROGATE = """\
# in backward() of the spike function, instead of exp(-slope * x) / (1 + exp(-slope * x)) ** 2
surrogate = torch.sigmoid(slope * x) * torch.sigmoid(-slope * x)"""
FALLING_SURROGATE = """\
# in backward() of the spike function: divide by what grows with the distance, do not multiply; slope is yours
surrogate = 1 / (1 + slope * x.abs()) ** 2"""
AVERAGED = "gradients are averages over all ranks, and another rank may have made it"
FINITE_INPUT = """\
# where they are
print((~torch.isfinite(x)).nonzero())
# a feature that is the same in all samples has a standard deviation of 0: this avoids 0 / 0
x = (x - x.mean(0)) / x.std(0).clamp(min=1e-6)"""
SEARCH = """\
# names the line whose backward pass makes NaN; slow, for one run
torch.autograd.set_detect_anomaly(True)"""


@dataclass(frozen=True)
class Maker:
    """What made the values, as the rest of a sentence, and the fix; not `known` where it only says where to look."""

    text: str = ""
    fixes: tuple[Fix, ...] = ()
    known: bool = True


def maker_of(site: Site, readings: Readings, blocks: Mapping[str, str]) -> Maker:
    """Return what made the value at a site; nothing where that is not known.

    `blocks` are the surrogate gradients of the libraries as code. Without a cause, the fix shows where to look, if a
    backward pass made it.
    """
    if site.kind is SiteKind.INPUT:
        return Maker(fixes=(Fix(FINITE_INPUT),))
    gradient, forward = first_gradient(readings), first_in_forward(readings)
    spoiling = [u.first_spoiling for u in readings.all.every(UpdateReading).values() if u.first_spoiling is not None]
    if site.kind is SiteKind.PARAMETER and spoiling and min(spoiling) < min(gradient, forward):
        return of_optimizer(readings)
    if moved := moved_neuron_parameter(readings, min(gradient, forward)):
        return moved
    if site.kind in SiteKind.GRADIENT | SiteKind.PARAMETER and gradient < forward:
        if readings.run.processes > 1:
            return Maker(AVERAGED, known=False)
        if growing := growing_surrogate(readings):
            return Maker(growing, (Fix(FALLING_SURROGATE),))
        layer = layer_behind(gradient, readings)
        return Maker(fixes=(Fix(SEARCH),)) if layer is None else of_surrogate(layer, blocks)
    return Maker()


def of_optimizer(readings: Readings) -> Maker:
    """Return that the optimizer made it of finite gradients, and why where its `eps` is 0."""
    histories = [update.learning_rate_history for update in readings.all.every(UpdateReading).values()]
    epsilon = max((history.zero_epsilon for history in histories if history is not None), default=0.0)
    text = "the optimizer made it of finite gradients"
    if not epsilon:
        return Maker(text)
    why = fill(": its eps of {eps:n} is 0 in the number format of the parameters", eps=epsilon)
    return Maker(text + why, (Fix(KEPT_IN_FLOAT32),))


def of_surrogate(layer: Site, blocks: Mapping[str, str]) -> Maker:
    """Return that a gradient became NaN between the output and the input of a layer."""
    text = fill("it is finite behind {layer} and not before it, so the surrogate gradient there makes it", layer=layer)
    library = layer.framework or ""
    own = for_site(blocks[library], layer, library) if library in blocks else ()
    return Maker(text, own or (Fix(FINITE_SURROGATE),))


def moved_neuron_parameter(readings: Readings, first: int) -> Maker | None:
    """Return the update that moved a time constant, a decay or a threshold by half of its size just before."""
    layers = [layer.name for layer in spiking_sites(readings)]
    for name, update in readings.all.every(UpdateReading).items():
        owner, _, own = name.rpartition(".")
        at = update.first_large
        is_neuron = owner in layers and own not in ("weight", "bias")
        if is_neuron and at is not None and at + 1 == first:
            rate = update.learning_rate or 0.0
            text = fill(
                "the update before changed {name} by {size:%} of its size", name=name, size=update.max_relative_norm
            )
            return Maker(text, (Fix(own_group(own, rate)),) if rate and own.isidentifier() else ())
    return None


def own_group(leaf: str, rate: float) -> str:
    """Return code that gives the parameters of this name a group of their own, with a lower learning rate."""
    return f"""\
# a learning rate of its own, in proportion to its size
own = [p for name, p in model.named_parameters() if name.endswith("{leaf}")]
other = [p for name, p in model.named_parameters() if not name.endswith("{leaf}")]
groups = [{{"params": other}}, {{"params": own, "lr": {plain_number(LOWER_RATE * rate)}}}]
optimizer = torch.optim.Adam(groups, lr={plain_number(rate)})"""


def layer_behind(update: int, readings: Readings) -> Site | None:
    """Return the only spiking layer between the gradients that were not finite at an update and those that were."""
    known = readings.all.every(GradientReading)
    sites = [one for one in readings.observations.sites if one.kind is SiteKind.GRADIENT and one.name in known]
    bad = [one.position for one in sites if first_update(known[one.name]) == update]
    good = [one.position for one in sites if first_update(known[one.name]) > update and known[one.name].mean_norm > 0]
    if not bad or not good or min(good) <= max(bad):
        return None
    between = [layer for layer in spiking_sites(readings) if max(bad) <= layer.position < min(good)]
    return between[0] if len(between) == 1 else None


def first_gradient(readings: Readings) -> int:
    """Return the first update whose gradients were not all finite."""
    return min(map(first_update, readings.all.every(GradientReading).values()), default=NEVER)


def first_in_forward(readings: Readings) -> int:
    """Return the first update with a value in its forward pass that was not finite."""
    read = (one for kind in FORWARD for one in readings.all.every(kind).values())
    return min(map(first_update, read), default=NEVER)


def first_update(reading: object) -> int:
    """Return the first update in which a reading counts anything that is not finite."""
    bad = getattr(reading, "non_finite", None)
    if bad is None or not bad.count:
        return NEVER
    return 0 if bad.first is None else int(bad.first.update)
