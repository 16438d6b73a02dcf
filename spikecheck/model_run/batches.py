"""Get several batches to examine a model with: from the user's loader, a file, or the reference data set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from torch import Tensor

from spikecheck.errors import SpikecheckError
from spikecheck.examination.subject import MAX_BATCHES
from spikecheck.model_run import data
from spikecheck.model_run.user_code import call_factory, import_object

BATCH_SIZE = 32  # of a file or the reference data set: small enough for several batches of a small one


def read_batches(spec: str) -> Any:
    """Return the batches that `--data` names, as `spikecheck.examine` takes them.

    Raises:
        SpikecheckError: there are none, or they cannot be read; the message says what is expected.
    """
    if spec == data.REFERENCE:
        return list(cut(data.reference(train=True, samples=MAX_BATCHES * BATCH_SIZE)))
    if ":" in spec and not Path(spec).exists():
        target = import_object(spec, "--data")
        loader = call_factory(target, {}, spec) if callable(target) and not isinstance(target, Iterable) else target
        if data.is_batch(loader):
            return [loader]
        if not isinstance(loader, Iterable):
            raise SpikecheckError(f"--data {spec}: expected a loader of batches, got {type(loader).__name__}")
        return loader
    return list(cut(data.read(spec, samples=MAX_BATCHES * BATCH_SIZE)))


def cut(whole: data.Batch) -> Iterator[tuple[Any, Any]]:
    """Yield batches of the samples of a file.

    Raises:
        SpikecheckError: the file holds no targets, or no axis of the input is as long as they are.
    """
    inputs, targets = whole.inputs[0], whole.targets
    if not isinstance(targets, Tensor) or not targets.dim():
        raise SpikecheckError(f"{whole.source}: an examination needs targets, such as an array 'y' of class indices")
    axis = next((axis for axis, size in enumerate(inputs.shape[:2]) if size == len(targets)), None)
    if axis is None:
        raise SpikecheckError(
            f"{whole.source}: no axis of the input {list(inputs.shape)} is as long as its {len(targets)} targets"
        )
    for start in range(0, len(targets), BATCH_SIZE):
        length = min(BATCH_SIZE, len(targets) - start)
        yield inputs.narrow(axis, start, length), targets[start : start + length]
