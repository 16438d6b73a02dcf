"""Save the evidence of a run in a checkpoint."""

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
# What torch.load raises for a file that it did not write, that is damaged, or that holds more than plain values.
LOAD_ERRORS = (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, LookupError)


def save_evidence(where: str | os.PathLike[str] | MutableMapping[str, Any], monitor: Monitor) -> None:
    """Save what a monitor observed in a checkpoint, so that `spikecheck diagnose` can judge the run from the file.

    Args:
        where: the dict that is about to be saved, which gets the key "spikecheck"; or the path of a checkpoint, which
            is rewritten with the evidence added.
        monitor: the monitor that `spikecheck.attach` returned.

    Raises:
        SpikecheckError: there is no such file; it is a bare state dict, which `load_state_dict` would refuse with one
            more key; or a file that `torch.load(weights_only=True)` cannot read, or that cannot be written.
    """
    if isinstance(where, MutableMapping):
        add_evidence(where, monitor, "this dict")
        return
    path = Path(where)
    if not path.exists():
        raise SpikecheckError(
            f"{path} does not exist: save the checkpoint first, or write the evidence alone with"
            ' torch.save({"spikecheck": monitor.state_dict()}, path)'
        )
    content = load(path)
    add_evidence(content, monitor, str(path))
    partial = path.with_name(path.name + ".partial")
    try:
        torch.save(content, partial)
        os.replace(partial, path)
    except (OSError, RuntimeError) as error:  # torch raises RuntimeError for a missing directory
        partial.unlink(missing_ok=True)
        raise SpikecheckError(f"{path} cannot be written: {error}") from error


def add_evidence(content: MutableMapping[str, Any], monitor: Monitor, name: str) -> None:
    """Add the evidence to a dict; SpikecheckError if it is a bare state dict."""
    if content and all(isinstance(value, Tensor) for value in content.values()):
        raise SpikecheckError(
            f"{name} is a bare state dict, which load_state_dict() would refuse with one more key: add the evidence to"
            ' {"model": model.state_dict(), ...}, or save it in a file of its own'
        )
    content[KEY] = monitor.state_dict()


def load(path: Path) -> MutableMapping[str, Any]:
    """Return the content of a checkpoint that is a dict of plain values and tensors; nothing in it is executed."""
    try:
        content = torch.load(path, weights_only=True)
    except (*LOAD_ERRORS, OSError) as error:
        raise SpikecheckError(
            f"{path} cannot be read with torch.load(weights_only=True): add the evidence before it is saved, with"
            " spikecheck.save_evidence(checkpoint, monitor)"
        ) from error
    if not isinstance(content, MutableMapping):
        raise SpikecheckError(f"{path} holds a {type(content).__name__}: evidence can only be added to a dict")
    return content
