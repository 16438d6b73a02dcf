"""Which process of a run this is, and the folder that its ranks share."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from spikecheck.probe.find import clean
from spikecheck.settings import process_of_run, ranks_folder


@dataclass(frozen=True)
class Process:
    """A rank, of so many."""

    rank: int
    size: int


def this_process() -> Process | None:
    """Return the rank of this process; None for a single process."""
    process = process_of_run()
    return None if process is None else Process(*process)


def shared_folder() -> Path | None:
    """Return the folder of this run, which only this user can write to; None where there is none of that kind."""
    folder, own = ranks_folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        known = folder.lstat()
    except OSError:
        return None
    foreign = hasattr(os, "getuid") and known.st_uid != os.getuid()
    if not stat.S_ISDIR(known.st_mode) or (not own and (foreign or known.st_mode & 0o022)):
        return None  # somebody else's, in a folder for temporary files
    return folder


def key_of(model: nn.Module, number: int) -> str:
    """Return what a model is called in file names: the same on every rank, wrapped or not."""
    names = sorted(clean(name) for name, _ in model.named_parameters())
    return hashlib.sha256("\n".join([str(number), *names]).encode()).hexdigest()[:16]
