"""A model whose layers take the batch for time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.layers import spiking_sites
from spikecheck.finding import Expected, Finding, Fix, Observed, Severity
from spikecheck.number_format import fill
from spikecheck.readings import DriveReading, InputReading, RegressionTargetReading, SpikeReading, TargetReading
from spikecheck.site import NeighborCorrelation, Site, SiteKind

IN_ORDER = (
    "; correlation of neighboring samples: {neighbors:.2n}; of samples half a batch apart: {distant:.2n}; of "
    "neighboring time steps: {steps:.2n}"
)
IN_ROWS = (
    "; correlation of values that a reshape of [time, batch] would have moved apart: {neighbors:.2n}; of the values "
    "beside them: {distant:.2n}; of neighboring time steps: {steps:.2n}"
)
OWN_BATCH_SIZE = """\
# the layers cut their input, [batch * time, ...], by a batch size of their own
for module in model.modules():
    if hasattr(module, "batch_size") and hasattr(module, "num_timesteps"):
        module.batch_size, module.num_timesteps = {targets}, -1"""
EXCHANGED = "# the layer takes one of these two axes for time, and it is the batch\nx = x.transpose({}, {})"
TRANSPOSED = "# instead of x.reshape(...) or x.view(...), which do not exchange axes\nx = x.transpose(0, 1)"


@dataclass(frozen=True)
class SwappedAxes(Check):
    """The time and batch axes are swapped before the spiking layers.

    ## What it means
    The first spiking layer integrates over the samples of a batch as if they were time steps, so the result for one
    sample depends on the samples before it. PyTorch raises no error if both axes have the same size, or if a mean over
    the wrong axis hides the difference.

    ## Example
    ```python broken
    x = torch.stack(samples, dim=1)  # [time, batch, 700]
    model = nn.Sequential(nn.Linear(700, 20), sinabs.layers.LIF(tau_mem=20.0, norm_input=False))
    # sinabs treats axis 1 as time; the result has shape [batch, 20] anyway, so nothing fails
    logits = model(x).mean(0)
    ```
    ```python repaired
    x = torch.stack(samples, dim=1)  # [time, batch, 700]
    model = nn.Sequential(nn.Linear(700, 20), sinabs.layers.LIF(tau_mem=20.0, norm_input=False))
    logits = model(x.transpose(0, 1)).mean(1)  # [batch, time, 700] for sinabs
    ```

    ## Fix
    ```python any
    # [batch, time, ...] <-> [time, batch, ...]
    x = x.transpose(0, 1)
    # never use view or reshape for this
    ```
    ```python snntorch
    # x holds all time steps: exchange its axes before the loop over time, which stays as it is
    x = x.transpose(0, 1)
    ```
    ```python spikingjelly
    # step_mode "m" takes [time, batch, channels]
    x = x.transpose(0, 1)
    ```
    ```python sinabs
    # layers take [batch, time, channels]
    x = x.transpose(0, 1)
    ```
    ```python norse
    # layers take [time, batch, channels]
    x = x.transpose(0, 1)
    ```

    ## When it is intended
    Every batch has the same order, for example sorted by class, and the activity does not change over time.
    ```toml
    [tool.spikecheck.ignore]
    "SPK106" = "batches are sorted by class"
    ```

    ## How it is decided
    spikecheck looks at the first spiking layer. In the list below, "samples" and "time steps" are what this layer
    treats as such: if the axes are swapped, its samples are in truth time steps. spikecheck warns in any of five
    cases:

    - Sizes: the layer sees as many time steps as the batch has targets, and a different number of samples.
    - Batch size: a layer of sinabs that takes [batch * time, ...] cuts this by its own `batch_size` or `num_timesteps`.
      The number of samples that result is no multiple of the targets, although that of all their time steps is one.
    - Activity: the spike counts depend on the position in the batch, and depend on it more than on the time step. In a
      shuffled batch, all positions have the same mean activity.
    - Order: neighboring samples are more similar to each other than samples half a batch apart, and more similar than
      neighboring time steps. In a shuffled batch, neighboring samples are not more similar than others.
    - Rows: along the time axis, neighboring values are less similar than values that are as many places apart as there
      are samples. That is where a `reshape` of [time, batch] to [batch, time] puts the next time step of a sample.

    For *activity*, each sample has a share of the spikes of its batch. The position in the batch must explain at least
    {min_sample_variance_share:%} of the variance of these shares, over {min_samples} samples or more. For *order*, the
    correlation of the input currents of neighboring samples must exceed that of samples half a batch apart by
    {min_neighbor_correlation} and by {t_score} standard errors. The correlation of neighboring time steps must be less
    than {max_step_ratio:%} of that of neighboring samples. For *rows*, the same holds for values so many places apart,
    compared with those one place further and nearer.

    These need {min_forward_passes} forward passes with different inputs and different targets, so a script that trains
    on a single batch is not reported. If samples are drawn at random for each batch, *activity* warns wrongly in fewer
    than 1 of 1,000 runs (simulated with normally distributed activity), and *order* in about 1 of 80,000 (Student's t).

    Two cases cannot be detected: an input whose time steps are independent and equally active, and one that `view` or
    `reshape` has scrambled where the number of samples is about a multiple of the time steps. To test for them, change
    one sample of a batch: no other sample's output may change.
    """

    id: ClassVar = "SPK106"
    slug: ClassVar = "swapped-axes"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.INPUT
    needs: ClassVar = (InputReading,)
    message: ClassVar = "time and batch axes look {what} at {layer}"

    min_sample_variance_share: float = limit(
        0.5, why="measured: at most 0.01 in healthy networks, 0.95 if the axes are swapped"
    )
    min_samples: int = limit(
        3,
        why="derived: by chance, the position explains half of the variance in 1.5% of runs with 2 samples per batch, "
        "and in 0.03% with 3 (simulated)",
    )
    min_forward_passes: int = limit(
        16,
        why="derived: if the same 16 batches repeat, the position in the batch explains about 1/16 of the variance, "
        "far below the limit",
    )
    min_neighbor_correlation: float = limit(
        0.05,
        why="measured: 0.13 to 0.19 if the axes are swapped, at most 0.004 in 33 healthy networks; the value in "
        "between is a judgment call",
    )
    t_score: float = limit(
        6.0, why="derived: with 16 forward passes (15 degrees of freedom), Student's t is above 6 once in 80,000"
    )
    max_step_ratio: float = limit(
        0.5,
        why="derived: in truth, neighboring time steps of one sample are more similar than different samples, so if "
        "the layer sees the opposite, the axes are swapped; measured: at most 0.09 if the axes are swapped",
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where sizes, activity or order show that the layer's time steps are samples."""
        first = min(spiking_sites(readings), key=lambda s: s.position, default=None)
        layer = None if first is None else readings.at(first.name).all
        spikes = None if layer is None else layer.get(SpikeReading)
        drive = None if layer is None else layer.get(DriveReading)
        if first is None or spikes is None or not spikes.time_axis_known or not spikes.forward_passes:
            return
        steps, samples = spikes.time_steps / spikes.forward_passes, spikes.samples / spikes.forward_passes
        in_order, in_rows = (None, None) if drive is None else (drive.sample_correlation, drive.row_correlation)
        what, fixes = "swapped", exchanged(readings[InputReading].shape, steps, samples)
        enough_batches = distinct_batches(readings.all) >= self.min_forward_passes
        if targets := other_batch_size(first, readings, steps, samples):
            what, fixes = "mixed by a batch size", (Fix(OWN_BATCH_SIZE.format(targets=targets)),)
            evidence = fill("; the loss has {targets} targets", targets=targets)
            expected = f"{targets} samples of {round(steps * samples / targets)} time steps"
            because = "the layer cuts its input, [batch * time], by its own batch_size or num_timesteps"
        elif has_one_target_per_step(readings, steps, samples):
            evidence, expected = "", "as many samples as the batch has targets"
            because = "the number of time steps equals the number of targets instead"
        elif enough_batches and (evidence := self.evidence_in_activity(spikes, samples)):
            expected = "the same mean activity at all positions in the batch"
            because = "in a shuffled batch, the position of a sample is random"
        elif enough_batches and (evidence := self.evidence_in_neighbors(drive, in_order, IN_ORDER)):
            expected = "neighboring samples that are no more similar than others"
            because = "in a shuffled batch, the position of a sample is random"
        elif enough_batches and (evidence := self.evidence_in_neighbors(drive, in_rows, IN_ROWS)):
            what, fixes = "mixed by a reshape", (Fix(TRANSPOSED),)
            expected = "time steps of one sample in a row"
            because = "reshape and view keep the order in memory, so each row holds several samples"
        else:
            return
        yield self.finding(
            site,
            observed=Observed(
                "{layer} sees {steps} time steps of {samples} samples" + evidence,
                layer=first.name,
                steps=steps,
                samples=samples,
            ),
            expected=Expected(expected, because=because),
            excess=1,
            fixes=fixes,
            what=what,
        )

    def evidence_in_activity(self, spikes: SpikeReading, samples: float) -> str:
        """Return how much the position of a sample explains of its share of the spikes; empty where that is little."""
        by_sample, by_step = spikes.sample_variance_share or 0, spikes.step_variance_share or 0
        if spikes.forward_passes < self.min_forward_passes or samples < self.min_samples:
            return ""
        if by_sample < self.min_sample_variance_share or by_sample <= by_step:
            return ""
        return fill(
            "; the position in the batch explains {by_sample:%} of how spike counts vary between samples, "
            "and the time step explains {by_step:%} of how they vary over time",
            by_sample=by_sample,
            by_step=by_step,
        )

    def evidence_in_neighbors(self, drive: DriveReading | None, compared: NeighborCorrelation | None, text: str) -> str:
        """Return how alike values at two places are; empty where others are as alike, or where time steps are, too."""
        if drive is None or compared is None or drive.step_correlation is None:
            return ""
        steps = drive.step_correlation
        if drive.forward_passes < self.min_forward_passes:
            return ""
        if compared.difference < max(self.min_neighbor_correlation, self.t_score * compared.error):
            return ""
        if steps.neighbors >= self.max_step_ratio * compared.neighbors:
            return ""
        return fill(text, neighbors=compared.neighbors, distant=compared.distant, steps=steps.neighbors)


def exchanged(shape: Sequence[int], steps: float, samples: float) -> tuple[Fix, ...] | None:
    """Return the fix that exchanges two axes of the input; None where they are the first two, or not known."""
    axes = [axis for axis, size in enumerate(shape) if size in (steps, samples)]
    if steps == samples or len(axes) != 2 or axes == [0, 1]:
        return None
    return (Fix(EXCHANGED.format(*axes)),)


def has_one_target_per_step(readings: Readings, steps: float, samples: float) -> bool:
    """Return whether a batch has as many targets as the layer has time steps, and not as many as it has samples."""
    targets = [t.samples / t.loss_calls for t in readings.every(TargetReading).values() if t.loss_calls]
    fits = len(targets) == 1 and steps in targets and samples not in targets and samples > 1
    run = readings.run
    return fits and run.forward_passes == run.backward_passes and not run.called_per_time_step


def other_batch_size(layer: Site, readings: Readings, steps: float, samples: float) -> int:
    """Return the number of targets of a batch where a layer that cuts its input finds other samples; else 0."""
    targets = [t.samples / t.loss_calls for t in readings.every(TargetReading).values() if t.loss_calls]
    cuts = layer.neuron is not None and "num_timesteps" in (layer.neuron.attributes or ())
    if not cuts or len(targets) != 1 or not targets[0].is_integer() or samples % targets[0] == 0:
        return 0
    several_steps = steps * samples > targets[0] and (steps * samples) % targets[0] == 0
    return round(targets[0]) if several_steps else 0


def distinct_batches(readings: Readings) -> int:
    """Return how many batches differ in their inputs and, where a loss shows its targets, in these."""
    inputs = max(x.distinct_batches for x in readings.every(InputReading).values())
    classes = [t.distinct_batches for t in readings.every(TargetReading).values()]
    numbers = [t.distinct_batches for t in readings.every(RegressionTargetReading).values()]
    return min(inputs, max([*classes, *numbers], default=inputs))
