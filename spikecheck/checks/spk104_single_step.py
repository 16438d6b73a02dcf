"""A network that is given one time step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.layers import ALIVE_RATE, HAND_WRITTEN, is_alive, never_fires, spikes_unused, spiking_sites
from spikecheck.checks.learning import every_learning, far_from_learned, shows_learning
from spikecheck.checks.progress import GRACE_UPDATES
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.number_format import fill
from spikecheck.readings import InputReading, SpikeReading, StateReading
from spikecheck.site import Site, SiteKind
from spikecheck.timelines import SpikeTimelineReading


@dataclass(frozen=True)
class SingleStep(Check):
    """Every spiking layer sees only one time step.

    ## What it means
    The network runs for a single time step, so its neurons cannot integrate their input over time: they compare one
    weighted sum with the threshold, like a perceptron. An input that would reach the threshold within ten steps does
    not reach it in one, and layers stay silent.

    ## Example
    ```python broken
    net = nn.Sequential(layer.Linear(784, 10), neuron.LIFNode(tau=10.0, decay_input=False))
    functional.set_step_mode(net, "m")  # spikingjelly: [time, batch, channels]
    x = images.flatten(1).unsqueeze(0)  # [1, batch, 784]: one time step
    logits = net(x).mean(0)
    ```
    ```python repaired
    net = nn.Sequential(layer.Linear(784, 10), neuron.LIFNode(tau=10.0, decay_input=False))
    functional.set_step_mode(net, "m")  # spikingjelly: [time, batch, channels]
    x = images.flatten(1).unsqueeze(0).repeat(20, 1, 1)  # [20, batch, 784]
    logits = net(x).mean(0)
    ```

    ## Fix
    ```python any
    # [batch, channels] -> [batch, time, channels], with `steps` time steps
    x = x.unsqueeze(1).expand(-1, steps, *x.shape[1:])
    ```
    ```python snntorch
    mem = layer.reset_mem()
    # an snntorch layer takes one time step per call: call it `steps` times
    for _ in range(steps):
        spikes, mem = layer(current, mem)
    ```
    ```python spikingjelly
    from spikingjelly.activation_based import functional

    # layers take a single time step by default; with "m", they take [time, batch, channels]
    functional.set_step_mode(model, "m")
    # if x has no time axis yet, [batch, channels]: x = x.unsqueeze(0).repeat(steps, 1, 1)
    ```
    ```python norse
    # [batch, channels] -> [time, batch, channels], for norse.torch.LIF
    # call a cell, such as norse.torch.LIFCell, in a loop over time
    x = x.unsqueeze(0).repeat(steps, 1, 1)
    ```

    ## When it is intended
    The network was distilled to a single time step on purpose.
    ```toml
    [tool.spikecheck.ignore]
    "SPK104" = "T = 1 by design"
    ```

    ## How it is decided
    spikecheck warns if each spiking layer got exactly one time step in every observed forward pass, in a run with
    backward passes. It does not warn if the script calls the model once per time step, which it recognizes by several
    calls before each loss or by state that continues from call to call. While training runs, it looks at the state of
    {min_sequences} calls before it warns. Nor does it warn if the model has a hand-written layer whose time axis it
    could not find, unless the layer returns [batch, neurons] with the samples of the input as the batch. It is only a
    note if all layers fire and the network learns, as one that is meant for a single time step does, or if this is not
    known: before update 64 of a running training, and with a loss of which the value for a guess is not known. It is a
    warning where a layer has fewer samples than the input, and more neurons by the number of samples: then it takes the
    first axis of [time, batch, neurons] for the batch.

    The usual causes are a static image that got a time axis of one step and was not repeated, and a time axis that was
    averaged away before the first spiking layer.
    """

    id: ClassVar = "SPK104"
    slug: ClassVar = "single-step"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.INPUT
    needs: ClassVar = (InputReading,)
    explained_by: ClassVar = ("SPK405",)
    past: ClassVar = "every spiking layer got a single time step per forward pass"
    message: ClassVar = "every spiking layer gets a single time step per forward pass; the input has shape {shape}"

    min_sequences: int = limit(
        4,
        why="judgment call: the first forward pass after a reset starts at 0 wherever the time loop is; four in a row "
        "are a sequence of one step each",
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where all layers whose steps are known get one, and nothing is carried on."""
        layers = [(s, readings.at(s.name)) for s in spiking_sites(readings) if readings.at(s.name).get(SpikeReading)]
        single = [layer[SpikeReading].time_steps == layer[SpikeReading].forward_passes for _, layer in layers]
        known = [s.framework not in HAND_WRITTEN or is_known(layer, readings) for s, layer in layers]
        states, run = [state for _, layer in layers if (state := layer.get(StateReading))], readings.run
        if not (single and all(single) and all(known)) or any(state.carried_sequences for state in states):
            return
        if run.live and any(state.sequences < self.min_sequences for state in states):
            return
        if run.called_per_time_step or not run.backward_passes:
            return
        folded = next((n for _, layer in layers if (n := batch_of_steps(layer, readings)) is not None), None)
        too_early = run.live and run.update < GRACE_UPDATES
        yield self.finding(
            site,
            severity=Severity.NOTE if folded is None and (too_early or fits(readings)) else Severity.WARNING,
            observed=Observed(
                "{layers} spiking layers with 1 time step per forward pass; the input has shape {shape}",
                layers=len(single),
                shape=readings[InputReading].shape,
            ),
            expected=Expected(
                "several time steps",
                because="a neuron that runs for one time step neither leaks nor integrates"
                if folded is None
                else fill(
                    "layers take an axis of {size} for the batch, but the input has {samples} samples: is it time?",
                    size=folded[0],
                    samples=folded[1],
                ),
            ),
            excess=1,
        )


def is_known(layer: Readings, readings: Readings) -> bool:
    """Return whether it is known which axis of a hand-written layer is time, or that there is none.

    There is none where its output has one axis for the samples of the input, and one for its neurons, and the model is
    called with it alone: a state may be passed to parts that are called one by one.
    """
    spikes, timeline = layer[SpikeReading], layer.get(SpikeTimelineReading)
    if spikes.time_axis_known or timeline is None or timeline.time_steps is None:
        return spikes.time_axis_known
    samples = readings[InputReading].shape[:1]
    alike = bool(samples) and round(spikes.samples / max(1, samples[0] * spikes.forward_passes)) == 1
    return timeline.time_steps.known and timeline.time_steps.axis is None and alike and readings.run.input_tensors == 1


def batch_of_steps(layer: Readings, readings: Readings) -> tuple[int, int] | None:
    """Return the samples of a layer and of the input in the first forward pass, where the layer has fewer, else None.

    Then it takes the first axis of [time, batch, neurons] for the batch, as a layer for single steps does.
    """
    spikes, x = layer.first.get(SpikeReading), readings.first.get(InputReading)
    if spikes is None or x is None or not x.shape or spikes.forward_passes != 1:
        return None
    samples = x.shape[0]
    return (spikes.samples, samples) if 1 < spikes.samples < samples and spikes.neurons % samples == 0 else None


def fits(readings: Readings) -> bool:
    """Return whether the network does what one that is meant for a single time step does."""
    return all_fire(readings) and may_learn(readings)


def all_fire(readings: Readings) -> bool:
    """Return whether every spiking layer fires, but for those whose potential alone is read."""
    layers = [(site, readings.at(site.name)) for site in spiking_sites(readings)]
    firing = [layer for site, layer in layers if not (never_fires(site) or spikes_unused(layer))]
    return all(is_alive(layer.get(SpikeReading), ALIVE_RATE) for layer in firing)


def may_learn(readings: Readings) -> bool:
    """Return whether a loss shows learning, and none stays near its guess; True where no guess is known."""
    known = any(one.guess is not None for one in every_learning(readings))
    return not known or (shows_learning(readings) and far_from_learned(readings) is None)
