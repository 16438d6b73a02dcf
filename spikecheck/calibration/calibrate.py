"""Scale the weights of a network before training, layer by layer, so that its potentials fluctuate up to threshold.

After J. Rossbroich, J. Gygax and F. Zenke, Fluctuation-driven initialization for spiking neural network training,
Neuromorphic Computing and Engineering 2 (2022) 044016. They derive the scale from the firing rate of the input; here it
is measured on a batch, which takes into account the input, the neurons, and whatever lies between the layers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from spikecheck.assertions.watched import Batch, Names, Reset, matching
from spikecheck.calibration.forward import Forward, LayerPass
from spikecheck.calibration.potential import integrated, is_linear, measured, require_usable, response_to_constant
from spikecheck.calibration.result import Calibration, LayerCalibration, Potential
from spikecheck.calibration.weights import input_weights, recurrent_weight
from spikecheck.errors import SpikecheckError
from spikecheck.neuron import NeuronSpec
from spikecheck.probe.axes import Axes

DEVIATIONS_TO_THRESHOLD = 1.5  # within the 1 to 3 that are published: close enough to fire in the first updates
FEED_FORWARD_VARIANCE = 0.9  # published: the share of the variance that comes from the layers before, not recurrence
TOLERANCE = 0.02  # judgment call: how far from its goal the potential may be, relative to its standard deviation
MAX_CORRECTIONS = 6  # derived: one is exact where the current is linear in the weight, and a norm may follow it
LEAST_RATE = 0.001  # judgment call: a layer that fires less, 1 spike per neuron in 1,000 time steps, is called silent
RAISE, MAX_RAISES = 1.25, 6  # judgment call: of the deviation of a silent layer; up to 3.8 times as large in all
RATES = (0.02, 0.2)  # judgment call: firing rates that are accepted where the potential is not known
MAX_RATE_CORRECTIONS = 12  # derived: 12 steps of a bisection from 1/1,000 to 1,000 find a factor of 2 of the scale
LARGEST_SCALE = 1000.0  # judgment call: weights that are further off were not meant for this network
MIN_RELATIVE_DEVIATION = 1e-6  # derived: the rounding error of a constant current in float32
LEAST_EFFECT = 0.01  # judgment call: a scale that changes the deviation by less than 1% of what was asked has no effect


def calibrate(
    model: nn.Module,
    batch: Batch,
    *,
    layer: Names = None,
    deviations_to_threshold: float = DEVIATIONS_TO_THRESHOLD,
    spikes: Iterable[str | nn.Module] = (),
    reset: Reset | None = None,
    time: Axes = None,
    call: Callable[..., Any] | None = None,
) -> Calibration:
    """Scale the weights before training so that each layer fires from the fluctuations of its membrane potential.

    Layer by layer, the weight before a spiking layer is multiplied by a factor, and all of its bias set to one number,
    so that a potential without reset has a mean of 0 and a standard deviation of 1 / `deviations_to_threshold`
    thresholds on this batch. If the layer is silent with this factor, the smallest larger one is taken with which it
    fires. Between a weight and a layer with batch normalization, the weight of the normalization is scaled. Of a layer
    with recurrent weights inside, 90% of the variance comes from the layers before. A last layer whose spikes are not
    used, and a layer that `layer=` leaves out, stay as they are. Nothing else changes: not the random state, not the
    state of the neurons, not the gradients, not the mode.

    Args:
        model: the network, before training. Its weights are changed in place.
        batch: what a DataLoader yields, (input, target), or the input alone; a few hundred samples are enough.
        layer: names or patterns of the spiking layers to calibrate; all without it.
        deviations_to_threshold: how many standard deviations the threshold lies above the mean potential, 1 to 3.
        spikes: names of spiking layers that are not detected automatically.
        reset: what the training loop calls before each batch, for models that do not reset themselves.
        time: the time axis of hand-written layers for whole sequences, as in `attach`.
        call: what calls the model on an input, where that takes more than `model(x)`.

    Returns:
        What was done, layer by layer: print it.

    Raises:
        SpikecheckError: there is no spiking layer, no weight before one, or nothing reaches it.
    """
    if not isinstance(model, nn.Module):
        raise SpikecheckError(f"calibrate() takes a torch.nn.Module, got {type(model).__name__}: pass the model itself")
    if not 0 < deviations_to_threshold < math.inf:
        raise SpikecheckError(f"deviations_to_threshold= takes a number above 0, got {deviations_to_threshold!r}")
    forward = Forward(model, batch, spikes, reset, time, call)
    shown = forward.run()
    if not shown:
        raise SpikecheckError('calibrate() observed no spiking layer: pass spikes=("layer name", ...)')
    chosen = None if layer is None else set(matching([one.name for one in shown], layer, "spiking layer"))
    finished: dict[str, LayerCalibration] = {}
    copies = [(parameter, parameter.detach().clone()) for _, parameter in model.named_parameters()]
    try:
        while remaining := [one for one in shown if one.name not in finished and is_wanted(one, chosen)]:
            step = Step(forward, remaining[0], deviations_to_threshold)
            shown = step.run(shown)
            finished[step.name] = step.result(shown)
    except SpikecheckError:
        with torch.no_grad():
            for parameter, values in copies:
                parameter.copy_(values)
        raise
    return Calibration(tuple(finished.values()))


def is_wanted(shown: LayerPass, chosen: set[str] | None) -> bool:
    """Return whether a layer is calibrated: it was chosen, or its spikes reach the output."""
    return shown.receives_gradient if chosen is None else shown.name in chosen


class Step:
    """The calibration of one layer, while those before it are finished."""

    def __init__(self, forward: Forward, shown: LayerPass, deviations_to_threshold: float) -> None:
        self.forward, self.name, self.neuron = forward, shown.name, shown.site.neuron
        self.weights = input_weights(shown, forward.modules, forward.order, forward.fed_by)
        if self.neuron is not None:
            require_usable(self.name, self.neuron)
        self.by_rate = not is_linear(self.neuron) or shown.current is None
        self.recurrent = None if self.by_rate else recurrent_weight(shown)
        self.deviation = 1 / deviations_to_threshold
        self.before = self.potential(shown)
        self.scale, self.recurrent_scale = 1.0, None if self.recurrent is None else 1.0

    def run(self, shown: list[LayerPass]) -> list[LayerPass]:
        """Change the weights, and return what the layers show with the new ones."""
        if self.by_rate:
            return self.seek_rate(shown)
        if self.weights.biases:
            self.weights.zero_biases()
            shown = self.forward.run()
        if self.recurrent is None:
            return self.seek_spikes(shown, self.deviation)
        recurrent = self.recurrent.detach().clone()
        with torch.no_grad():
            self.recurrent.zero_()
        shown = self.seek_spikes(self.forward.run(), math.sqrt(FEED_FORWARD_VARIANCE) * self.deviation)
        factor = self.recurrent_factor(self.layer(shown).spikes, recurrent)
        with torch.no_grad():
            self.recurrent.copy_(factor * recurrent)
        self.recurrent_scale = factor
        return self.forward.run()

    def seek_spikes(self, shown: list[LayerPass], goal: float) -> list[LayerPass]:
        """Bring the potential to this standard deviation, and to a larger one where the layer is silent with it."""
        for _ in range(MAX_RAISES):
            shown = self.seek_deviation(shown, goal)
            if self.potential(self.layer(shown)).rate >= LEAST_RATE:
                return shown
            goal *= RAISE
        return self.seek_deviation(shown, goal)

    def seek_deviation(self, shown: list[LayerPass], goal: float) -> list[LayerPass]:
        """Scale the current until the potential has this standard deviation, and shift it to a mean of 0."""
        asked, first = 1.0, 0.0
        for correction in range(MAX_CORRECTIONS + 1):
            layer = self.layer(shown)
            mean, deviation = self.spread(layer)
            if correction == 0:
                first = deviation
            elif abs(deviation / first - 1) < LEAST_EFFECT * abs(asked - 1):
                raise SpikecheckError(f"scaling {self.weights.name} does not change the current of {self.name}")
            off = abs(deviation - goal) + (abs(mean) if self.weights.biases else 0.0)
            if off <= TOLERANCE * goal or correction == MAX_CORRECTIONS:
                return shown
            factor = goal / deviation if abs(deviation - goal) > TOLERANCE * goal else 1.0
            shift = factor * mean / response_to_constant(self.linear, len(layer.spikes))
            self.weights.change(factor, shift)
            self.scale *= factor
            asked *= factor
            shown = self.forward.run()
        return shown

    def spread(self, layer: LayerPass) -> tuple[float, float]:
        """Return mean and standard deviation of the potential; without a bias, the mean counts as a deviation."""
        current = layer.current
        if current is None or not bool(torch.isfinite(current).all()):
            raise SpikecheckError(f"the current of {self.name} is not finite on this batch: calibrate() needs numbers")
        potential = integrated(current.double(), self.linear)
        mean, deviation = float(potential.mean()), float(potential.std(unbiased=False))
        if not self.weights.biases:
            deviation = math.hypot(mean, deviation)
        if deviation <= 0 or float(current.double().std()) <= MIN_RELATIVE_DEVIATION * float(current.abs().max()):
            raise SpikecheckError(
                f"nothing reaches {self.name}: its current is {float(current.double().mean()):g} for every neuron, "
                "sample and time step of this batch. Is the input empty, or a layer before it left out by layer=?"
            )
        return mean, deviation

    def recurrent_factor(self, spikes: Tensor, weight: Tensor) -> float:
        """Return what recurrent weights are multiplied by, so that they add their share of the variance.

        A single spike adds no more than that either: where few neurons fire rarely, the share would take weights that
        make the activity explode once they fire more often.
        """
        current = torch.zeros_like(spikes, dtype=torch.float64)
        current[1:] = spikes[:-1].double() @ weight.double().T
        deviation = float(integrated(current, self.linear).std(unbiased=False))
        goal = math.sqrt(1 - FEED_FORWARD_VARIANCE) * self.deviation
        jump = float(weight.double().square().mean().sqrt()) * self.linear.input_gain / (self.linear.v_threshold or 1.0)
        return min((goal / size for size in (deviation, jump) if size > 0), default=1.0)

    def seek_rate(self, shown: list[LayerPass]) -> list[LayerPass]:
        """Scale the current until the layer fires at an ordinary rate: the way where the potential is not known."""
        smallest, largest = 1 / LARGEST_SCALE, LARGEST_SCALE
        for correction in range(MAX_RATE_CORRECTIONS + 1):
            rate = self.potential(self.layer(shown)).rate
            if RATES[0] <= rate <= RATES[1]:
                return shown
            if correction == MAX_RATE_CORRECTIONS:
                break
            smallest, largest = (self.scale, largest) if rate < RATES[0] else (smallest, self.scale)
            scale = math.sqrt(smallest * largest)
            self.weights.change(scale / self.scale)
            self.scale, shown = scale, self.forward.run()
        raise SpikecheckError(
            f"no scale of {self.weights.name} from 1/{LARGEST_SCALE:,.0f} to {LARGEST_SCALE:,.0f} makes {self.name} "
            f"fire at a rate of {RATES[0]:.0%} to {RATES[1]:.0%}: does anything reach it?"
        )

    @property
    def linear(self) -> NeuronSpec:
        """The parameters of a layer whose potential can be computed."""
        assert self.neuron is not None
        return self.neuron

    def layer(self, shown: list[LayerPass]) -> LayerPass:
        """Return what this layer showed in a forward pass."""
        return next(one for one in shown if one.name == self.name)

    def potential(self, layer: LayerPass) -> Potential:
        """Return the potential of the layer, in numbers."""
        return measured(self.neuron, layer.spikes if layer.current is None else layer.current, layer.spikes)

    def result(self, shown: list[LayerPass]) -> LayerCalibration:
        """Return what was done."""
        after = self.potential(self.layer(shown))
        return LayerCalibration(self.name, self.weights.name, self.scale, self.before, after, self.recurrent_scale)
