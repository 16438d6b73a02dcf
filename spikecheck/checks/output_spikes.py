"""Outputs that are spike counts or firing rates, of single neurons or of populations, and how high they can get."""

from __future__ import annotations

from dataclasses import dataclass

from spikecheck.checks.base import Readings
from spikecheck.checks.layers import spiking_sites
from spikecheck.readings import RegressionTargetReading, SpikeReading

MAX_ROUNDING_ERROR, MIN_DISTINCT_OUTPUTS = 1e-3, 3


@dataclass(frozen=True)
class OutputSpikes:
    """What the outputs of a regression count, and the highest value that they can have."""

    time_steps: float
    summed_neurons: int  # of one output
    highest_output: float


def output_spikes(
    readings: Readings,
    *,
    max_rounding_error: float = MAX_ROUNDING_ERROR,
    min_distinct_outputs: int = MIN_DISTINCT_OUTPUTS,
) -> OutputSpikes | None:
    """Return what the outputs of a regression count over the whole run; None where they are no counts and no rates.

    A rate may be the mean of several neurons, of equal groups of the layer; a count or a rate may be their sum.
    """
    regression = readings.all[RegressionTargetReading]
    last = max(spiking_sites(readings), key=lambda s: s.position, default=None)
    spikes = None if last is None else readings.all.at(last.name).get(SpikeReading)
    if spikes is None or spikes.forward_passes == 0 or spikes.non_integer > 0:
        return None
    if len(regression.output_values) < min_distinct_outputs or regression.output_minimum < 0:
        return None
    run = readings.run
    calls = max(1, round(run.forward_passes / max(1, run.backward_passes))) if run.called_per_time_step else 1
    time_steps, max_per_step = calls * spikes.time_steps / spikes.forward_passes, max(1, spikes.maximum)

    def are_whole(factor: float) -> bool:
        scaled = [value * factor for value in regression.output_values]
        return all(abs(value - round(value)) < max_rounding_error for value in scaled)

    summed = neurons_per_output(regression, spikes)
    if are_whole(1):
        highest = time_steps * max_per_step * summed
    elif are_whole(time_steps):
        highest = max_per_step * summed
    else:
        groups = [size for size in range(2, spikes.neurons + 1) if spikes.neurons % size == 0]
        if not any(are_whole(time_steps * size) for size in groups):
            return None
        summed, highest = 1, max_per_step
    return OutputSpikes(time_steps, summed, highest) if regression.output_maximum <= highest else None


def neurons_per_output(regression: RegressionTargetReading, spikes: SpikeReading) -> int:
    """Return how many neurons of the layer there are for each output; 1 where they do not come in equal groups.

    Outputs of all samples may have been flattened into one axis: then there are as many as all of them have neurons.
    """
    flattened = regression.outputs == 1 and outputs_per_sample(regression, spikes) == spikes.neurons
    if flattened or not regression.outputs or spikes.neurons % regression.outputs:
        return 1
    return max(1, spikes.neurons // regression.outputs)


def outputs_per_sample(regression: RegressionTargetReading, spikes: SpikeReading) -> float | None:
    """Return the number of targets per sample of a forward pass; None where there are no samples."""
    if not regression.updates or not spikes.samples:
        return None
    return (regression.elements / regression.updates) / (spikes.samples / spikes.forward_passes)
