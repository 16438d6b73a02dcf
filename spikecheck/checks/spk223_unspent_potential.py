"""Input that stays in the potentials of a converted network, and never becomes spikes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, log10
from typing import ClassVar, NamedTuple

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.fixes import joined, parameter_path, plain_number
from spikecheck.checks.layers import spiking_sites, threshold_of
from spikecheck.finding import Expected, Finding, Fix, Observed, Severity
from spikecheck.number_format import fill
from spikecheck.readings import DriveReading, ParameterReading, PotentialReading, SpikeReading, StateReading
from spikecheck.site import Site, SiteKind

RESCALE = "divide what feeds a layer by its largest input per time step, and multiply the weight after it by the same"


class Budget(NamedTuple):
    """What becomes of the input of a neuron in a forward pass, in thresholds: spikes, or potential that stays."""

    spent: float
    unspent: float
    time_steps: int

    @property
    def unspent_share(self) -> float:
        """The share of the input that stays in the potential."""
        return self.unspent / (self.spent + self.unspent) if self.unspent else 0.0


@dataclass(frozen=True)
class UnspentPotential(Check):
    """Most of what a layer receives is still in its potentials when the forward pass ends.

    ## What it means
    A neuron without leak, reset by subtraction, turns its input into spikes one for one: so a network of ReLU units
    becomes a spiking one. Input that is still in the potentials at the end was never passed on. Either the neurons
    receive more than the one threshold per time step that they can spend, or there are too few time steps to add up to
    a spike.

    ## Example
    ```python broken
    fc1.bias.data += 3  # as in a trained ReLU network whose activations go far above 1
    lif1 = sinabs.layers.IAF(spike_fn=sinabs.activation.SingleSpike)
    ```
    ```python repaired
    fc1.bias.data += 3
    lif1 = sinabs.layers.IAF(spike_fn=sinabs.activation.MultiSpike)  # as many spikes as the input needs
    ```

    ## Fix
    ```python any
    # divide what feeds the layer by its largest input per time step, and multiply the weight after it by the same
    model.fc.weight.data /= 16
    model.fc.bias.data /= 16
    # or, where potentials end below one threshold: run more time steps
    ```

    ## When it is intended
    The network was trained with these neurons and with as many time steps, and needs no more of its input.
    ```toml
    [tool.spikecheck.ignore]
    "SPK223:lif1" = "trained with 4 time steps"
    ```

    ## How it is decided
    Only networks that are evaluated are judged, if no training was seen: training adapts weights to what the neurons
    can pass on. A layer counts if it has no leak (a decay of {min_decay} or more), is reset by subtraction, begins each
    forward pass with a fresh state, and shows its potential. Hand-written layers do not show theirs.

    spikecheck compares the mean positive potential after the last time step with the spikes of a forward pass, times
    the threshold. {min_unspent_share:%} or more of the input of a layer must be unspent. It is a warning if potentials
    end at {min_final_potential} thresholds or more on average, where neurons spike once per time step at most: of input
    that they can spend, less than one threshold is left. Otherwise there are too few time steps. This is a note, since
    networks that were trained with few time steps may need no more; its fix has the number of time steps after which
    {max_tolerated_share:%} would be unspent.
    """

    id: ClassVar = "SPK223"
    slug: ClassVar = "unspent-potential"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.SPIKES
    needs: ClassVar = (SpikeReading,)
    explained_by: ClassVar = ("SPK208", "SPK405")
    explains: ClassVar = ("SPK204",)
    past: ClassVar = "{site} left its input in the potentials"
    message: ClassVar = "{share:%} of the input of {site} stays in its potentials: {reason}"

    min_decay: float = limit(0.999, why="derived: a time constant of 1,000 time steps, longer than most sequences")
    min_final_potential: float = limit(
        2.0,
        why="derived: neurons that can spend their input end below 1, or 2 if the last spike is not subtracted yet; "
        "measured: at most 0.94 in healthy networks, 28 where converted weights were not normalized",
        minimum=1,
    )
    min_unspent_share: float = limit(
        0.5,
        why="measured: at most 0.16 in healthy converted networks and 0.44 in trained ones; 0.87 with 4 time steps "
        "instead of 60; the value in between is a judgment call",
    )
    max_tolerated_share: float = limit(0.1, why="judgment call: for the number of time steps in the fix")
    min_samples: int = limit(16, why="judgment call: the potentials of a few samples say little")

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield one finding: at the first layer that receives too much, or where most is left after too few steps."""
        if readings.run.backward_passes or not readings.run.without_gradients:
            return
        budgets = [(one, self.budget(one, readings.at(one.name))) for one in spiking_sites(readings)]
        known = [(one, budget) for one, budget in budgets if budget is not None]
        short = [(one, budget) for one, budget in known if budget.unspent_share >= self.min_unspent_share]
        full = [(one, budget) for one, budget in known if self.is_full(budget, readings.at(one.name))]
        if any(pair in short for pair in full):
            first, budget = min(full, key=lambda pair: pair[0].position)
            if first.name == site.name:
                yield self.too_much(site, budget, rescaled([one for one, _ in full], readings))
        elif short:
            worst, budget = max(short, key=lambda pair: pair[1].unspent_share)
            if worst.name == site.name:
                yield self.too_short(site, budget)

    def budget(self, site: Site, readings: Readings) -> Budget | None:
        """Return what a layer's input becomes; None where it is not that of a neuron that spends it one for one."""
        neuron, spikes, potential = site.neuron, readings.get(SpikeReading), readings.get(PotentialReading)
        if neuron is None or spikes is None or potential is None or potential.final is None or not neuron.v_threshold:
            return None
        if neuron.decay is None or neuron.decay < self.min_decay or neuron.reset != "subtract" or neuron.tau_syn:
            return None
        state, steps = readings.get(StateReading), spikes.time_steps // max(1, spikes.forward_passes)
        if spikes.samples < self.min_samples or steps <= 1 or (state is not None and state.carried_sequences):
            return None
        spent = spikes.count / max(1, spikes.samples * spikes.neurons)
        return Budget(spent, potential.final / neuron.v_threshold, steps)

    def is_full(self, budget: Budget, readings: Readings) -> bool:
        """Return whether potentials pile up above the threshold of neurons that spike once per time step at most."""
        return readings[SpikeReading].maximum <= 1 and budget.unspent >= self.min_final_potential

    def too_much(self, site: Site, budget: Budget, fixes: tuple[Fix, ...]) -> Finding:
        """Return the finding at a layer that receives more than it can spend."""
        return self.finding(
            site,
            observed=Observed(
                "potentials of {unspent:.2n} thresholds on average after {steps} time steps, and {spent:.2n} spikes",
                unspent=budget.unspent,
                steps=budget.time_steps,
                spent=budget.spent,
            ),
            expected=Expected(
                "potentials below one threshold",
                because="a neuron spends one threshold per time step at most; what it receives beyond that is lost, "
                "however long the network runs",
            ),
            share=budget.unspent_share,
            reason=fill("they end at {unspent:.2n} thresholds on average", unspent=budget.unspent),
            fixes=fixes or None,
            excess=log10(budget.unspent / self.min_final_potential),
        )

    def too_short(self, site: Site, budget: Budget) -> Finding:
        """Return the finding where the forward pass ends before the input adds up to spikes."""
        per_step = (budget.spent + budget.unspent) / budget.time_steps
        steps = ceil(budget.unspent / (self.max_tolerated_share * per_step))
        return self.finding(
            site,
            severity=Severity.NOTE,
            observed=Observed(
                "{spent:.2n} spikes per neuron in {steps} time steps, and potentials of {unspent:.2n} thresholds",
                spent=budget.spent,
                steps=budget.time_steps,
                unspent=budget.unspent,
            ),
            expected=Expected(
                "{share:%} of the input or less left in the potentials",
                share=self.max_tolerated_share,
                because=fill(
                    "in {steps} time steps, a neuron can show rates that are multiples of 1/{steps} alone",
                    steps=budget.time_steps,
                ),
            ),
            share=budget.unspent_share,
            reason=fill("{steps} time steps are too few to add up to spikes", steps=budget.time_steps),
            fixes=(Fix(f"# run each input for {steps} time steps, not {budget.time_steps}\ntime_steps = {steps}"),),
            excess=log10(budget.unspent_share / self.min_unspent_share),
        )


def rescaled(sites: list[Site], readings: Readings) -> tuple[Fix, ...]:
    """Return code that normalizes the weights before and after layers by the largest input; none without a weight."""
    parameters = [place for place in readings.observations.sites if place.kind is SiteKind.PARAMETER]
    lines = []
    for site in sites:
        threshold, drive = threshold_of(site), readings.at(site.name).get(DriveReading)
        before = [one for one in parameters if site.fed_by and one.name.rpartition(".")[0] == site.fed_by]
        later = [one for one in parameters if one.position > site.position and is_matrix(one, readings)]
        if drive is None or not threshold or not before or not later:
            return ()
        factor = plain_number(max(1.0, drive.peak / threshold))
        lines += [f"{parameter_path(one)}.data /= {factor}" for one in before]
        lines.append(f"{parameter_path(min(later, key=lambda one: one.position))}.data *= {factor}")
    return joined({RESCALE: lines})


def is_matrix(parameter: Site, readings: Readings) -> bool:
    """Return whether a parameter is a weight between neurons: no bias, and nothing with one value per channel."""
    reading = readings.at(parameter.name).get(ParameterReading)
    return reading is not None and reading.dimensions > 1
