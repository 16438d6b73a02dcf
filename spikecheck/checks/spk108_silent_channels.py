"""Input channels that never hold anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.learning import losses_without_learning
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import InputReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class SilentChannels(Check):
    """Some input channels stay empty during the whole run.

    ## What it means
    Some channels of the input never hold an event, so the weights from them get no gradient. If exactly one half of the
    channels is empty, one of two polarities has no events: either the data have only one, as in the example, or it was
    lost and the network cannot distinguish ON events from OFF events.

    ## Example
    ```python broken
    to_frame = tonic.transforms.ToFrame(sensor_size=(700, 1, 2), n_time_bins=50)
    # 1400 channels, but all events of SHD have polarity 1
    x = torch.as_tensor(to_frame(shd_events)).float().flatten(1)
    model = nn.Sequential(nn.Linear(1400, 20), sinabs.layers.LIF(tau_mem=20.0, norm_input=False))
    logits = model(x.unsqueeze(0)).mean(1)
    ```
    ```python repaired
    sensor_size = tonic.datasets.SHD.sensor_size  # (700, 1, 1)
    to_frame = tonic.transforms.ToFrame(sensor_size=sensor_size, n_time_bins=50)
    x = torch.as_tensor(to_frame(shd_events)).float().flatten(1)  # 700 channels
    model = nn.Sequential(nn.Linear(700, 20), sinabs.layers.LIF(tau_mem=20.0, norm_input=False))
    logits = model(x.unsqueeze(0)).mean(1)
    ```

    ## Fix
    ```python any
    import tonic

    # use the sensor size of the data set itself; dataset is your tonic data set
    size = dataset.sensor_size
    to_frame = tonic.transforms.ToFrame(sensor_size=size, n_time_bins=40)
    # then check the input, x of [batch, time, polarity, units]: this prints the
    # fraction of units in use, one number per polarity
    print((x != 0).flatten(0, 1).any(0).float().mean(-1))
    ```

    ## When it is intended
    The full sensor size is kept so that the input has the shape that the model expects.
    ```toml
    [tool.spikecheck.ignore]
    "SPK108" = "ON events only"
    ```

    ## How it is decided
    A channel is one pixel or unit of the input, of one polarity. It is silent if it was 0 in every time step of every
    sample. spikecheck reports a note if at least {max_silent_fraction:%} of the channels are silent over
    {min_distinct_batches} different batches. It warns if the silent channels are exactly the first half, the second
    half or every other channel, and most of the other channels are in use: one of two polarities is then empty.

    It also warns if the input has at least {min_channels} channels and only one of them is ever used. This happens if
    an encoder has one channel per range of values, and all values lie at one end.

    In the report after training, it warns if at least {max_silent_without_learning:%} of the channels are silent and,
    after {min_losses} losses or more, no loss is below that of a guess. This happens if the coordinates of the events
    have an offset and are clipped to the border of the sensor.

    Other causes are a sensor size that is larger than the sensor, swapped width and height, and channels numbered from
    1. Ids, `int32` or `int64` without channels, are not checked.
    """

    id: ClassVar = "SPK108"
    slug: ClassVar = "silent-channels"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.INPUT
    needs: ClassVar = (InputReading,)
    explained_by: ClassVar = ("SPK102", "SPK103")
    message: ClassVar = "{silent} of {channels} channels of {site} never hold an event{half}"

    max_silent_fraction: float = limit(
        0.25,
        why="judgment call: the border of a sensor often sees nothing, and 6% on each side of an image is 23% of its "
        "area",
    )
    min_distinct_batches: int = limit(
        16,
        why="derived: a channel that is used in one sample of 50 stays empty in 16 batches of 16 samples with a "
        "probability of 0.006; spikecheck distinguishes at most 16 batches, so a larger limit turns the check off",
    )
    min_channels: int = limit(8, why="judgment call: an input with few channels may use only one of them")
    max_silent_without_learning: float = limit(
        0.75,
        why="judgment call: if the sensor size is twice the real one in both directions, 75% of the channels are "
        "silent; measured: 87.5% where all events were clipped to one of eight rows",
    )
    min_losses: int = limit(
        64, why="judgment call: as many losses as the chance-plateau check needs in the report after training"
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where many channels, or one half of them, are never used."""
        x = readings.all[InputReading]
        if x.distinct_batches < self.min_distinct_batches or x.silent_channels in (0, x.channels) or x.holds_ids:
            return
        if x.silent_channels < self.max_silent_fraction * x.channels:
            return
        alone = x.channels - x.silent_channels == 1 and x.channels >= self.min_channels
        mostly = x.silent_channels >= self.max_silent_without_learning * x.channels
        lost = mostly and x.channels >= self.min_channels and self.learned_nothing(readings)
        yield self.finding(
            site,
            severity=Severity.WARNING if x.silent_half or alone or lost else Severity.NOTE,
            observed=Observed(
                "{silent} of {channels} channels were 0 in every time step of every sample",
                silent=x.silent_channels,
                channels=x.channels,
            ),
            expected=Expected("events in every channel", because="the weights from an empty channel get no gradient"),
            half="; one half is empty: was a polarity lost?"
            if x.silent_half
            else "; only one channel is in use"
            if alone
            else ", and nothing is learned: are the coordinates clipped?"
            if lost
            else "",
        )

    def learned_nothing(self, readings: Readings) -> bool:
        """Return whether training was watched for long enough and no loss came below that of a guess."""
        losses = losses_without_learning(readings)
        return not readings.run.live and losses is not None and losses >= self.min_losses
