"""A batch normalization that is called once per time step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import InputReading, ModeReading, SpikeReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class BatchNormPerStep(Check):
    """Batch normalization runs once per time step, with a single set of running statistics.

    ## What it means
    In training mode, each time step is normalized by its own mean and variance. In evaluation mode, all time steps are
    normalized by one running mean and variance, which depend mostly on the last time steps. So accuracy can be lower in
    evaluation mode than in training mode.

    ## Example
    ```python broken
    fc1, norm1 = nn.Linear(700, 256), nn.BatchNorm1d(256)
    lif1 = snn.Leaky(beta=0.9)
    mem = lif1.reset_mem()
    for x_t in x.unbind(1):  # x is [batch, time, 700]
        spikes, mem = lif1(norm1(fc1(x_t)), mem)  # each step separately
    ```
    ```python repaired
    fc1, norm1 = nn.Linear(700, 256), nn.BatchNorm1d(256)
    lif1 = snn.Leaky(beta=0.9)
    mem = lif1.reset_mem()
    current = fc1(x)  # [batch, time, 256]: normalize all steps at once
    current = norm1(current.flatten(0, 1)).view_as(current)
    for current_t in current.unbind(1):
        spikes, mem = lif1(current_t, mem)
    ```

    ## Fix
    ```python any
    # x is [time, batch, channels]: normalize all time steps at once
    x = norm(x.flatten(0, 1)).view_as(x)
    # or, if it has to run step by step, average over more calls:
    # norm.momentum = 0.1 / number_of_time_steps
    ```
    ```python spikingjelly
    from spikingjelly.activation_based import functional

    # layer.BatchNorm1d then normalizes all time steps at once
    functional.set_step_mode(model, "m")
    ```

    ## When it is intended
    All time steps have similar statistics, or evaluation uses the statistics of the batch.
    ```toml
    [tool.spikecheck.ignore]
    "SPK216" = "stationary input"
    ```

    ## How it is decided
    The check applies to a module with running statistics that is called at least {min_calls} times per forward pass in
    training mode. Each call replaces a fraction `momentum` of the running mean, so late time steps have more weight.
    spikecheck warns if both of these conditions hold, and reports a note otherwise:

    - At least {max_late_fraction:%} of the running mean comes from the second half of the time steps.
    - The time steps differ. spikecheck averages the spike rate before the module over the time steps, once with the
      weights of the running mean and once with equal weights. The time steps differ if the first average is at most
      {min_activity_ratio} times the second, or at least 1 / {min_activity_ratio} times. If the rates are unknown, the
      time steps are assumed to differ, unless the model repeats a static input.

    For example, with a momentum of 0.1 and 40 time steps, 89% of the running mean comes from the second half. If
    recordings are silent at their end, evaluation uses the statistics of silence. Normalizing each step separately also
    removes the information about how active that step was.
    """

    id: ClassVar = "SPK216"
    slug: ClassVar = "batch-norm-per-step"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.BATCH_NORM_OR_DROPOUT
    needs: ClassVar = (ModeReading,)
    message: ClassVar = (
        "{site} normalizes each of {calls} time steps separately; {late:%} of its running statistics come from the "
        "second half"
    )

    min_calls: int = limit(4, why="judgment call: a module that several branches share is called two or three times")
    max_late_fraction: float = limit(
        0.75,
        why="judgment call: the fraction is 1 / (1 + (1 - momentum) ** (steps / 2)), which is 0.74 for 20 time steps "
        "with a momentum of 0.1, and 0.5 if all steps have equal weight",
    )
    min_activity_ratio: float = limit(
        0.8,
        why="derived: the variance is proportional to the firing rate, so normalized values are wrong by 12%; "
        "measured: 0.99 in a network that is as accurate in evaluation mode, 0.52 and 0.65 in networks whose "
        "recordings end early",
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where a module with running statistics is called once per time step."""
        mode = readings[ModeReading]
        if mode.momentum is None or mode.calls_per_forward_pass < self.min_calls:
            return
        if mode.updates and mode.evaluation_updates >= mode.updates:
            return
        late = 1 / (1 + (1 - mode.momentum) ** (mode.calls_per_forward_pass / (1 + 1)))
        ratio = late_activity(activity_before(site, readings), mode.momentum)
        if ratio is None and repeats_static_input(site, mode.calls_per_forward_pass, readings):
            ratio = 1.0
        steps_differ = ratio is None or not self.min_activity_ratio < ratio < 1 / self.min_activity_ratio
        yield self.finding(
            site,
            severity=Severity.WARNING if late >= self.max_late_fraction and steps_differ else Severity.NOTE,
            observed=Observed(
                "{calls} calls per forward pass with a momentum of {momentum}: {late:%} of the running statistics come "
                "from the second half of the time steps"
                + (
                    ""
                    if ratio is None
                    else "; weighted like these statistics, the spike rate is {ratio:.2n} times that of an average step"
                ),
                ratio=ratio,
                calls=mode.calls_per_forward_pass,
                momentum=mode.momentum,
                late=late,
            ),
            expected=Expected(
                "one call for all time steps",
                because="in evaluation mode, every step is normalized mostly by the statistics of the last steps",
            ),
            excess=1,
        )


def repeats_static_input(site: Site, calls: int, readings: Readings) -> bool:
    """Return whether a module is called more than once although neither the input nor a layer before it has that time.

    An input that is encoded inside the model (latency coding, say) looks the same, and is missed.
    """
    sites = readings.observations.sites
    after_a_layer = any(s.kind is SiteKind.SPIKES and s.position < site.position for s in sites)
    x = next(iter(readings.all.every(InputReading).values()), None)
    return x is not None and x.time_steps is None and calls not in x.shape and not after_a_layer


def activity_before(site: Site, readings: Readings) -> tuple[float, ...]:
    """Return how busy each time step of the nearest layer before a site was, or of the input; empty if unknown."""
    sites = [s for s in readings.observations.sites if s.kind in SiteKind.SPIKES | SiteKind.INPUT]
    nearest = max((s for s in sites if s.position < site.position), key=lambda s: s.position, default=None)
    place = readings.at(None if nearest is None else nearest.name).all
    spikes, x = place.get(SpikeReading), place.get(InputReading)
    if spikes is not None:
        return spikes.profile if spikes.time_axis_known else ()
    return x.profile if x is not None and x.time_steps is not None else ()


def late_activity(profile: tuple[float, ...], momentum: float) -> float | None:
    """Return the activity as running statistics weigh it, over that of an average time step; None if unknown."""
    if len(profile) <= 1 or not sum(profile) > 0 or not 0 < momentum < 1:
        return None
    weights = [(1 - momentum) ** ago for ago in reversed(range(len(profile)))]
    mean = sum(w * part for w, part in zip(weights, profile, strict=True)) / sum(weights)
    return mean * len(profile) / sum(profile)
