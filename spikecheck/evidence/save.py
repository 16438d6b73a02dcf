"""Puts the evidence of a run into a checkpoint, in one line."""

from __future__ import annotations

import os
import pickle
from collections.abc import MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from spikecheck.errors import SpikecheckError

if TYPE_CHECKING:
    from spikecheck.monitor import Monitor

KEY = "spikecheck"
# What torch.load raises for a file that is none of its own, is damaged, or holds more than plain values.
UNLOADED = (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, LookupError)


def save_evidence(where: str | os.PathLike[str] | MutableMapping[str, Any], monitor: Monitor) -> None:
    """Put what a monitor saw into a checkpoint, so that `spikecheck diagnose` of it gives the verdict on the run.

    Args:
        where: the dict that is about to be saved, which gets the key "spikecheck"; or a file: a checkpoint that is
            there already is written anew with the evidence in it, else the file will hold the evidence alone.
        monitor: what `spikecheck.attach` returned.

    Raises:
        SpikecheckError: it is a bare state dict, which `load_state_dict` would no longer take; or a file that
            `torch.load(weights_only=True)` does not read, or that cannot be written.
    """
    if isinstance(where, MutableMapping):
        put(where, monitor, "this dict")
        return
    path = Path(where)
    content: MutableMapping[str, Any] = {}
    if path.exists():
        content = loaded(path)
    put(content, monitor, str(path))
    partial = path.with_name(path.name + ".partial")
    try:
        torch.save(content, partial)
        os.replace(partial, path)
    except (OSError, RuntimeError) as error:  # torch reports a folder that is not there as RuntimeError
        partial.unlink(missing_ok=True)
        raise SpikecheckError(f"{path} cannot be written: {error}") from error


def put(content: MutableMapping[str, Any], monitor: Monitor, name: str) -> None:
    """Set the key; SpikecheckError where it would be in the way."""
    if content and all(isinstance(value, Tensor) for value in content.values()):
        raise SpikecheckError(
            f"{name} is a bare state dict, and load_state_dict() would refuse one more key: put the evidence into"
            ' {"model": model.state_dict(), ...}, or into a file of its own'
        )
    content[KEY] = monitor.state_dict()


def loaded(path: Path) -> MutableMapping[str, Any]:
    """The content of a checkpoint that is a dict of plain values and tensors, read without running anything."""
    try:
        content = torch.load(path, weights_only=True)
    except (*UNLOADED, OSError) as error:
        raise SpikecheckError(
            f"{path} cannot be read with torch.load(weights_only=True): put the evidence into the dict before it is"
            " saved, spikecheck.save_evidence(checkpoint, monitor)"
        ) from error
    if not isinstance(content, MutableMapping):
        raise SpikecheckError(f"{path} holds a {type(content).__name__}, and not a dict that evidence can be added to")
    return content
