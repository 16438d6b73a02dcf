"""More output neurons than labels: populations that the loss takes for classes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.layers import spiking_sites
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import SpikeReading, TargetReading
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class UnusedOutputs(Check):
    """Several output neurons stand for each label, but the loss treats every neuron as a class of its own.

    ## What it means
    With a population code, several output neurons vote for each class. A loss that is given all of them takes the first
    few for the classes and all others for classes that never occur, and pushes those down to silence. Their votes are
    lost.

    ## Example
    ```python broken
    fc, lif = torch.nn.Linear(700, 200), snntorch.Leaky(beta=0.9)  # 10 neurons for each of 20 classes
    spikes, membrane = [], lif.init_leaky()
    for frame in x:
        spike, membrane = lif(fc(frame), membrane)
        spikes.append(spike)
    loss = torch.nn.functional.cross_entropy(10 * torch.stack(spikes).mean(0), y)
    ```
    ```python repaired
    fc, lif = torch.nn.Linear(700, 200), snntorch.Leaky(beta=0.9)
    spikes, membrane = [], lif.init_leaky()
    for frame in x:
        spike, membrane = lif(fc(frame), membrane)
        spikes.append(spike)
    rates = torch.stack(spikes).mean(0).unflatten(1, (20, 10)).mean(2)  # one firing rate per class
    loss = torch.nn.functional.cross_entropy(10 * rates, y)
    ```

    ## Fix
    ```python any
    # spikes: [time, batch, neuron]; one number per class, from all neurons that vote for it: 10 times their firing rate
    logits = 10 * spikes.mean(0).unflatten(-1, (classes, -1)).mean(-1)
    loss = torch.nn.functional.cross_entropy(logits, y)
    ```
    ```python snntorch
    import snntorch.functional as SF

    # spikes: [time, batch, neuron]; the spikes of all neurons of a class are counted together
    loss_fn = SF.mse_count_loss(correct_rate=0.8, incorrect_rate=0.2, population_code=True, num_classes=classes)
    loss = loss_fn(spikes, y)
    ```

    ## When it is intended
    Most of the classes are still to come.
    ```toml
    [tool.spikecheck.ignore]
    "SPK319" = "classes are learned one after the other"
    ```

    ## How it is decided
    A finding needs all of these:

    - there are {min_labels} labels or more, and each number from 0 to the highest label occurs;
    - the number of outputs is a multiple of the number of different labels, at least {min_outputs_per_label} times as
      many;
    - the last spiking layer has as many neurons as the loss has classes.

    While training runs, spikecheck waits for {min_updates_in_training} updates, since the labels may be sorted. A
    linear layer with more outputs than classes is common and does little harm, so only spiking outputs are judged.
    """

    id: ClassVar = "SPK319"
    slug: ClassVar = "unused-outputs"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.TARGETS
    needs: ClassVar = (TargetReading,)
    explained_by: ClassVar = ("SPK306", "SPK307")
    explains: ClassVar = ("SPK203", "SPK211", "SPK309", "SPK312", "SPK313")
    message: ClassVar = "{site} name only outputs 0 to {last} of {classes}; the others are never the right ones"

    min_outputs_per_label: int = limit(
        8,
        why="judgment call: populations have 10 neurons or more per class; where classes are learned in a series of "
        "five tasks, there are 5 outputs per label during the first one, and nothing is wrong",
    )
    min_labels: int = limit(200, why="derived: of 10 equally frequent labels, one is missing once in 100 million runs")
    min_updates_in_training: int = limit(256, why="judgment call: until then, other labels may still come")

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where the outputs are populations, and the labels only count up to the classes."""
        targets, run = readings.all[TargetReading], readings.run
        labels, total = sum(n > 0 for n in targets.class_counts), sum(targets.class_counts)
        if targets.classes is None or labels <= 1 or total < self.min_labels or targets.maximum != labels - 1:
            return
        if targets.classes % labels or targets.classes < self.min_outputs_per_label * labels:
            return
        last = max(spiking_sites(readings), key=lambda s: s.position, default=None)
        spikes = None if last is None else readings.at(last.name).get(SpikeReading)
        if spikes is None or spikes.neurons != targets.classes:
            return
        if run.live and run.update < self.min_updates_in_training:
            return
        yield self.finding(
            site,
            observed=Observed(
                "{total} labels from 0 to {last}, for {classes} spiking outputs",
                total=total,
                last=targets.maximum,
                classes=targets.classes,
            ),
            expected=Expected(
                "one logit for each of {labels} classes, from {population} neurons",
                labels=labels,
                population=targets.classes // labels,
                because="otherwise the neurons that are never the right class are pushed down until they are silent",
            ),
            when=Moment(0),
        )
