"""Weights that an optimizer holds, and that never move."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.layers import input_weight_name, is_recurrent, is_silent, spiking_sites
from spikecheck.checks.learning import any_loss_falls
from spikecheck.checks.progress import and_more, update_readings, weight_names
from spikecheck.finding import Expected, Finding, Fix, Observed, Severity
from spikecheck.readings import GradientReading, ParameterReading, SpikeReading, UpdateReading
from spikecheck.site import Site, SiteKind
from spikecheck.update_readings import GradientAtStepReading


class Reason(Enum):
    """Why a weight never moved, as a message says it."""

    NO_GRADIENT = "no gradient arrives"
    ZERO_GRADIENT = "the gradient is 0"
    ZERO_RATE = "the learning rate is 0"
    ROUNDED = "the updates round to 0"
    CLEARED = "the gradient is cleared between backward() and step()"
    NO_SPIKES = "the layer's spikes of the step before never reach it"


#: The reasons that lie in the backward pass; the others lie in the optimizer and its calls.
IN_BACKWARD = (Reason.NO_GRADIENT, Reason.ZERO_GRADIENT)
OF_A_CUT = ("SPK209", "SPK401")  # silence and large input make a gradient 0; they do not keep it from being computed
STATE_ONCE = """# once per sequence, before the loop over time
state = model.init_state()
for step in x:
    output, state = model(step, state)  # with what the step before returned"""


@dataclass(frozen=True)
class UnmovedWeights(Check):
    """An optimizer holds a weight and has never moved it.

    ## What it means
    A weight that does not move does not learn, and the finding names the reason: no gradient, a gradient of exactly 0,
    one that was cleared before the update, a learning rate of 0, or updates that round to 0. The script runs as if it
    trained, and activity, loss and gradients can look healthy.

    ## Example
    ```python broken
    loss = torch.nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.zero_grad()  # clears the gradient that step() needs
    optimizer.step()
    ```
    ```python repaired
    loss = torch.nn.functional.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    ```

    ## Fix
    ```python any
    # before backward(), never between backward() and step()
    optimizer.zero_grad()
    loss.backward()
    print({name: None if p.grad is None else p.grad.norm() for name, p in model.named_parameters()})
    # None: the graph is cut between this weight and the loss
    # 0: a later layer is silent or far from its threshold
    optimizer.step()
    ```

    ## When it is intended
    This run does not use that part of the model, or trains it later, or the part is a fixed reservoir.
    `parameter.requires_grad_(False)` says so in the script.
    ```toml
    [tool.spikecheck.ignore]
    "SPK409:aux.weight" = "second stage"
    ```

    ## How it is decided
    spikecheck compares the weights before and after the first 10 updates of each optimizer, and later every 16th. In
    all compared updates (at least {min_updates}), the weight was the same before and after. While training runs, the
    finding is printed only from update 64 on if a weight nearer the input moves, because training may still wake up a
    silent layer in between.

    If no weight moves at all, these reasons are reported here: a learning rate of 0, cleared gradients, rounding, and a
    loss that no weight receives a gradient from, such as one that is computed from predicted classes, or where only
    parameters behind a cut in the graph, such as a bias, receive one. Where gradients arrive at some weights or are 0,
    the checks of silent layers and of gradients report why. It is only a note in two cases: the module of the weight
    was never called, or one parameter group has a learning rate of 0 while others do not, as where part of the network
    is frozen on purpose.

    The gradient of a recurrent weight is 0 if the spikes that it multiplies are: those of a state that begins again at
    every time step. That is the reason given for a single unmoved weight that maps n neurons to n and feeds no layer,
    while all layers fire.

    A gradient of exactly 0 was stopped by a silent layer or by a surrogate gradient of 0. A gradient of None means that
    the loss does not depend on the weight: it was not used, or a `detach()` cuts it off.
    """

    id: ClassVar = "SPK409"
    slug: ClassVar = "unmoved-weights"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.UPDATE
    needs: ClassVar = (UpdateReading,)
    explained_by: ClassVar = (
        "SPK101",
        "SPK203",
        "SPK204",
        "SPK205",
        "SPK206",
        "SPK209",
        "SPK401",
        "SPK402",
        "SPK405",
        "SPK406",
        "SPK407",
    )
    self_resolving: ClassVar = True
    past: ClassVar = "{site} did not move"
    message: ClassVar = "{first}{more} never moved: {reason}"

    min_updates: int = limit(10, why="judgment call: a layer that is silent at first has time to wake up")

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield one finding, at the first such weight."""
        updates = update_readings(readings, weight_names(readings))
        unmoved = [
            name for name, update in updates.items() if update.unmoved_updates == update.updates >= self.min_updates
        ]
        if unmoved[:1] != [site.name]:
            return
        update, reason = updates[site.name], reason_at_rest(readings.all, readings.run.live)
        others_move = len(unmoved) < len(updates)
        if reason is Reason.ZERO_GRADIENT and len(unmoved) == 1 and gets_no_spikes_back(site.name, readings):
            reason = Reason.NO_SPIKES
        said_elsewhere = reason in IN_BACKWARD and not is_unreached(readings, updates)
        is_cut_off = reason is Reason.NO_GRADIENT and not is_unreached(readings, readings.all.every(GradientReading))
        is_at_rest = not others_move and not is_cut_off
        if reason is None or (is_at_rest and (said_elsewhere or any_loss_falls(readings))):
            return
        unused = reason is Reason.NO_GRADIENT and site.position == 0
        finding = self.finding(
            site,
            severity=Severity.NOTE if unused or (others_move and reason is Reason.ZERO_RATE) else Severity.WARNING,
            observed=Observed(
                "no change of {names} in {updates} compared updates", updates=update.updates, names=", ".join(unmoved)
            ),
            expected=Expected(
                "a change in every update",
                because="other weights of the model move" if others_move else "otherwise nothing is learned",
            ),
            first=site.name,
            more=and_more(unmoved),
            reason=reason.value,
            fixes=(Fix(STATE_ONCE),) if reason is Reason.NO_SPIKES else None,
        )
        if reason is Reason.NO_GRADIENT:
            finding = replace(finding, explained_by=OF_A_CUT)
        by_the_script = reason in (Reason.ZERO_RATE, Reason.CLEARED)
        yield replace(finding, explained_by=(), ranks_first=not others_move) if by_the_script else finding


def gets_no_spikes_back(weight: str, readings: Readings) -> bool:
    """Return whether a weight maps as many neurons to as many, feeds no layer, and has no gradient while all fire.

    The gradient of a recurrent weight is 0 where what it multiplies is: the spikes of a state that is always new.
    """
    value, layers = readings.at(weight).get(ParameterReading), spiking_sites(readings)
    recurrent = value is not None and is_recurrent(value)
    feeds = any(input_weight_name(layer, readings) == weight for layer in layers)
    silent = any(is_silent(readings.at(layer.name).get(SpikeReading)) for layer in layers)
    return recurrent and bool(layers) and not feeds and not silent


def is_unreached(readings: Readings, names: Iterable[str]) -> bool:
    """Return whether no gradient has ever reached any of these weights: the loss was not computed from them."""
    gradients = readings.all.every(GradientReading)
    return all(name in gradients and gradients[name].missing_updates == gradients[name].updates for name in names)


def reason_at_rest(readings: Readings, live: bool) -> Reason | None:
    """Return why a weight does not move; None while a rate of 0 may be the beginning of a warm-up."""
    gradient, gradient_at_step = readings[GradientReading], readings.get(GradientAtStepReading)
    if readings[UpdateReading].learning_rate == 0:
        return None if live else Reason.ZERO_RATE
    if gradient_at_step is not None and gradient_at_step.cleared_updates == gradient_at_step.updates:
        return Reason.CLEARED
    if gradient.missing_updates == gradient.updates:
        return Reason.NO_GRADIENT
    return Reason.ZERO_GRADIENT if gradient.zero_updates + gradient.missing_updates > 0 else Reason.ROUNDED
