"""What a session knows at one moment, beside the captures that it has handed on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from spikecheck.readings import FlowReading, ModeReading, RunReading
from spikecheck.site import Capture, Site


@dataclass(frozen=True)
class Snapshot:
    """What a session knows at one moment, beside what it has handed on."""

    run: RunReading
    readings: Mapping[str, FlowReading | ModeReading]  # by layer, and by module that works differently in evaluation
    modules: tuple[Site, ...]
    parameters: Capture[Tensor] | None
    loss_seen: bool
    optimizer: str | None
    unseen: Mapping[str, str]
