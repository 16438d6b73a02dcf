"""Gradients that vanish on their way to the input."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import log10
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.gradient_norms import GradientNorms, surrogate_fixes
from spikecheck.checks.layers import ALIVE_RATE, firing_rates, spiking_sites
from spikecheck.checks.learning import MIN_LOSSES, has_learned_much, losses_without_learning, most_losses
from spikecheck.checks.progress import MIN_EVEN_SHARE, MIN_EVEN_VALUES, MIN_REACHED, narrow_surrogate, weight_names
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.number_format import fill
from spikecheck.readings import GradientReading, UpdateReading
from spikecheck.site import Moment, Site, SiteKind, SurrogateSlope


@dataclass(frozen=True)
class VanishingGradient(Check):
    """The gradient of the first weight is thousands of times smaller than that of the last.

    ## What it means
    The gradient shrinks from layer to layer on its way back, so the first layers barely train while the last one learns
    from random features. The usual cause is a surrogate gradient that is too steep, or too narrow, for the membrane
    potentials.

    ## Example
    ```python broken
    spike_grad = snntorch.surrogate.fast_sigmoid(slope=5000)  # 4e-8 at a distance of 1 from the threshold
    lif1, lif2, lif3 = (snntorch.Leaky(beta=0.9, spike_grad=spike_grad) for _ in range(3))
    ```
    ```python repaired
    spike_grad = snntorch.surrogate.fast_sigmoid(slope=10)
    lif1, lif2, lif3 = (snntorch.Leaky(beta=0.9, spike_grad=spike_grad) for _ in range(3))
    ```

    ## Fix
    ```python handwritten
    # in backward() of the spike function; distance is potential - threshold
    # a good slope is about 1 / distance.std(): 10 where potentials scatter by 0.1
    slope = 10.0
    input_gradient = output_gradient / (1 + slope * distance.abs()) ** 2
    ```
    ```python snntorch
    from snntorch import surrogate

    # the default slope is 25; 1,000 or more is too steep
    layer.spike_grad = surrogate.fast_sigmoid(slope=10)
    ```
    ```python sinabs
    from sinabs.activation import SingleExponential

    layer.surrogate_grad_fn = SingleExponential(grad_width=0.5)
    ```
    ```python spikingjelly
    from spikingjelly.activation_based import surrogate

    layer.surrogate_function = surrogate.ATan(alpha=2.0)
    ```
    ```python norse
    layer.p = layer.p._replace(method="super", alpha=torch.tensor(20.0))
    ```

    ## When it is intended
    The optimizer rescales every weight's gradient, as Adam does, so the first layers learn anyway.
    ```toml
    [tool.spikecheck.ignore]
    "SPK402" = "deep, with Adam"
    ```

    ## How it is decided
    The mean gradient norm of the weights in the recent updates falls by a factor of {max_gradient_ratio} or more from
    the weight nearest the loss to the one nearest the input. A finding needs {min_updates} updates. Weights with a
    gradient of exactly 0 are left out, since a silent layer or a missing surrogate gradient causes that. The finding
    lists the norms of all weights; look at the spiking layer across which they fall most.

    In the report after training, it is enough that the norm falls by a factor of {max_repeated_fall} or more from each
    weight to the next, {min_falls} times or more, if the loss has not come down to half of a guess's.

    It is also reported there if the gradient of the first weight was exactly 0 in at least
    {min_zero_fraction:%} of the recent updates, although every spiking layer fires, the first weight moved, and nothing
    is learned: every potential was then outside the window of the surrogate gradient.

    It is also reported if the surrogate gradient of a layer is other than 0 for less than
    {min_reached:%} of its potentials in the first backward passes, and 64 losses or more show that nothing is learned.
    A sum of Gaussians or an exponential is nowhere 0, but may be so uneven that a few potentials make the gradient. The
    even share, mean(slope)^2 / mean(slope^2), says how many: below {min_even_share:%}, and below {min_even_values}
    potentials per neuron in a backward pass, the same is reported.

    With a slope of 5,000, the surrogate gradient 1 / (1 + slope * |u|)^2 is 4e-8 at a distance u of 1 from the
    threshold, and every spiking layer multiplies the gradient by such a factor. Other causes are potentials far from
    the threshold, neurons that forget within a time step, and many layers.

    ## References
    Neftci, Mostafa and Zenke, Surrogate Gradient Learning in Spiking Neural Networks, IEEE Signal Processing Magazine
    36 (2019).
    """

    id: ClassVar = "SPK402"
    slug: ClassVar = "vanishing-gradient"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.GRADIENT
    needs: ClassVar = (GradientReading,)
    explained_by: ClassVar = (
        "SPK203",
        "SPK204",
        "SPK205",
        "SPK206",
        "SPK210",
        "SPK401",
        "SPK405",
        "SPK406",
        "SPK407",
        "SPK412",
        "SPK413",
    )
    past: ClassVar = "the gradient of {site} was far smaller than that of the last weight"
    message: ClassVar = "the gradient of {site} is {compared}"

    max_gradient_ratio: float = limit(
        3000.0,
        why="measured: at most 110 in healthy networks, at their first update; at least 18,000 with a surrogate "
        "gradient that is too steep",
    )
    max_repeated_fall: float = limit(
        5.0,
        why="derived: three such falls make a factor of 125, above the 110 of healthy networks; measured: the smallest "
        "fall is at most 1.9 in deep healthy networks, and 9.4 with a surrogate gradient that is too steep",
        minimum=1,
    )
    min_falls: int = limit(
        3, why="derived: as many as bring the whole factor above that of healthy networks", minimum=1
    )
    min_updates: int = limit(
        48,
        why="measured: where the last weight starts at 0 and the learning rate is warmed up, a healthy network has a "
        "factor of 7,000 for 20 updates",
    )
    min_zero_fraction: float = limit(
        0.5,
        why="judgment call: in a small batch, all potentials may lie outside the surrogate's window now and then, but "
        "not in half of the updates; measured: 0 in networks that learn, 0.82 with a rectangular surrogate gradient "
        "that is 0.01 wide",
    )

    min_reached: float = limit(
        MIN_REACHED,
        why="derived: behind two such layers, a gradient is left for one potential in 10,000; measured: 0 "
        "with a rectangular window that is 0.004 wide, 0.09 and more in healthy networks",
    )

    min_even_share: float = limit(
        MIN_EVEN_SHARE, why="measured: 0.01 in a tutorial that learns, 0.06 and more in other healthy networks"
    )
    min_even_values: float = limit(
        MIN_EVEN_VALUES,
        why="derived: the gradient of a neuron is then that of fewer than 5 potentials, and mostly noise; measured: 4 "
        "with a sum of Gaussians that are 0.003 wide, 70 and more in healthy networks",
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield one finding, at the weight nearest the input."""
        norms = GradientNorms.of(readings)
        if weight_names(readings)[:1] == [site.name]:
            narrow = narrow_surrogate(readings, self.min_reached, self.min_even_share, self.min_even_values)
            if narrow is not None:
                yield self.outside_of_window(site, readings, *narrow)
                return
        if self.is_lost(site, readings, norms):
            yield self.lost(site, readings, norms)
            return
        if not norms.begin_at(site) or readings.run.update < self.min_updates:
            return
        expected, factor, most = "norms within a factor of {most:n}", norms.last / norms.first, self.max_gradient_ratio
        if factor < most and self.falls_at_each(norms, readings):
            expected, factor, most = f"{expected} from one weight to the next", min(norms.falls), self.max_repeated_fall
        if factor < most:
            return
        yield self.finding(
            site,
            fixes=surrogate_fixes(self, readings),
            observed=norms.observed(),
            expected=Expected(expected, most=most, because="otherwise the early layers barely train"),
            excess=log10(factor / most),
            compared=fill(
                "{factor:n} times smaller than that of {last_weight} ({first:.2n} vs {last:.2n})",
                factor=norms.last / norms.first,
                **norms.numbers,
            ),
        )

    def outside_of_window(self, site: Site, readings: Readings, layer: str, slope: SurrogateSlope) -> Finding:
        """Return the finding where hardly any potential lies within the window of a surrogate gradient."""
        text = "at {layer}, the surrogate gradient is other than 0 for {reached:%} of the potentials"
        if slope.reached >= self.min_reached:
            text = (
                "at {layer}, the surrogate gradient is so uneven that {even:%} of the potentials count: {values:n} per "
                "neuron in a backward pass"
            )
        finding = self.finding(
            site,
            fixes=surrogate_fixes(self, readings),
            observed=Observed(
                text,
                layer=layer,
                reached=slope.reached,
                even=slope.even_share,
                values=slope.values_per_neuron,
            ),
            expected=Expected(
                "a surrogate gradient that is as wide as potentials scatter",
                because="all potentials outside of it pass no gradient back, and nothing is learned",
            ),
            when=Moment(0),
            excess=2,
            compared=fill("stopped at {layer}, whose surrogate gradient is too narrow", layer=layer),
        )
        return replace(finding, explained_by=())

    def falls_at_each(self, norms: GradientNorms, readings: Readings) -> bool:
        """Return whether the norm falls much from each weight to the next, in a network that has learned little."""
        if readings.run.live or most_losses(readings) < MIN_LOSSES or has_learned_much(readings):
            return False
        return len(norms.falls) >= self.min_falls and min(norms.falls) >= self.max_repeated_fall

    def is_lost(self, site: Site, readings: Readings, norms: GradientNorms) -> bool:
        """Return whether mostly no gradient reaches the first weight, which moved, although all layers fire."""
        gradient, update = readings[GradientReading], readings.all.get(UpdateReading)
        if weight_names(readings)[:1] != [site.name] or not norms.by_weight or norms.names[-1] == site.name:
            return False
        if readings.run.live or readings.run.update < self.min_updates or losses_without_learning(readings) is None:
            return False
        moved = update is not None and update.unmoved_updates < update.updates
        rates = firing_rates(spiking_sites(readings), readings)
        alive = bool(rates) and min(rates) >= ALIVE_RATE
        lost = gradient.zero_updates >= self.min_zero_fraction * gradient.updates and not gradient.non_finite.count
        return lost and moved and alive

    def lost(self, site: Site, readings: Readings, norms: GradientNorms) -> Finding:
        """Return the finding at a first weight whose gradient is mostly 0."""
        gradient, last_weight = readings[GradientReading], norms.names[-1]
        last_zero = readings.at(last_weight)[GradientReading].zero_updates
        return self.finding(
            site,
            fixes=surrogate_fixes(self, readings),
            observed=Observed(
                "a gradient of exactly 0 in {zero} of {updates} updates; for {last_weight}, in {last_zero}",
                zero=gradient.zero_updates,
                updates=gradient.updates,
                last_weight=last_weight,
                last_zero=last_zero,
            ),
            expected=Expected("a gradient other than 0", because="all layers fire, and nothing is learned"),
            excess=1,
            compared=fill(
                "exactly 0 in {zero} of {updates} updates, although all layers fire",
                zero=gradient.zero_updates,
                updates=gradient.updates,
            ),
        )
