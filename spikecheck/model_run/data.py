"""Get one batch to run a model with: from the reference data set, a file, the user's own loader, or made up."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from spikecheck.assertions.watched import isolated_copy, parts
from spikecheck.checkpoint.read import open_checkpoint
from spikecheck.checkpoint.tensors import TensorLoader
from spikecheck.errors import SpikecheckError, UnreadableError
from spikecheck.model_run.user_code import UserCode, call_factory, import_object

REFERENCE = "reference"
SAMPLES = 64  # of a file or the reference data set: enough for statistics of spikes, and within a laptop's memory
INPUTS = ("x", "inputs", "input", "frames", "spikes", "data", "images", "x_test", "x_train", "0", "tensor")
TARGETS = ("y", "labels", "label", "targets", "target", "y_test", "y_train", "1")
MADE_UP = 32  # time steps and samples of made-up spikes; equal, so that either may come first
MADE_UP_IMAGES = 8  # the same, where a sample is an image
# Spikes per made-up channel and time step, a judgment call: a busy input layer, a sparse and a dense one.
RATES = (0.1, 0.02, 0.5)
SIDES = (28, 32, 34, 48, 64, 128)  # of images and event cameras: MNIST, CIFAR, N-MNIST, DVS at several scales


@dataclass(frozen=True)
class Batch:
    """The inputs of the model, the targets if there are any, and where they come from, in words."""

    inputs: tuple[Any, ...]
    targets: Any
    source: str
    made_up: bool = False

    @property
    def shape(self) -> list[int]:
        """Return the shape of the first tensor."""
        return list(next(value for value in self.inputs if isinstance(value, Tensor)).shape)


def read(spec: str, samples: int = SAMPLES) -> Batch:
    """Return the batch that `--data` names, with at most so many samples of a file.

    Raises:
        SpikecheckError: there is none, or it cannot be read; the message says what is expected.
    """
    if spec == REFERENCE:
        return reference()
    if ":" in spec and not Path(spec).exists():
        return load(spec)
    path = Path(spec)
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise SpikecheckError(
            f"--data {spec}: expected {REFERENCE!r}, a {', '.join(READERS)} file, or package.module:function"
        )
    if not path.is_file():
        raise SpikecheckError(f"--data {spec}: no such file")
    return choose(reader(path), path, samples)


def reference(frames: Callable[[Any], Tensor] | None = None, *, train: bool = False, samples: int = SAMPLES) -> Batch:
    """Return samples of the reference data set, spread over it: of those to test with, or to train with."""
    from spikecheck.reference.frames import Frames
    from spikecheck.reference.shd import open_digits

    words = open_digits(None, train=train)
    chosen = [words[index] for index in range(0, len(words), max(1, len(words) // samples))][:samples]
    made = torch.stack([(frames or Frames())(events) for events, _ in chosen]).float()
    kind = "training" if train else "test"
    return Batch(
        (made,), torch.tensor([int(label) for _, label in chosen]), f"{kind} samples of the reference data set"
    )


def load(spec: str) -> Batch:
    """Return the first batch of what the user names: a loader, a batch, or a function that returns one of them."""
    return read_several(spec, 1)[0]


def read_several(spec: str, most: int) -> tuple[Batch, ...]:
    """Return the batches that `--data` names, at most so many: of a loader, the first ones.

    Raises:
        SpikecheckError: there is none, or it cannot be read; the message says what is expected.
    """
    if ":" not in spec or Path(spec).exists():
        return (read(spec),)
    target = import_object(spec, "--data")
    loader = call_factory(target, {}, spec) if callable(target) else target
    with UserCode(f"--data {spec}: taking the first batch"):
        items = [loader] if is_batch(loader) else list(islice(loader, most)) if isinstance(loader, Iterable) else []
    if not items or items[0] is None:
        raise SpikecheckError(f"--data {spec}: expected a loader or a batch of tensors, got {type(loader).__name__}")
    return tuple(
        Batch(*parts(item), f"{'the first batch' if number == 0 else f'batch {number}'} of {spec}")
        for number, item in enumerate(items)
    )


def is_batch(value: Any) -> bool:
    """Return whether it is one batch, as a DataLoader yields it (a list), and not a loader."""
    return isinstance(value, Tensor) or (
        isinstance(value, tuple | list) and any(isinstance(item, Tensor) for item in value)
    )


def from_npz(path: Path) -> dict[str, Any]:
    """Return the arrays of an .npz file, by name; none that needs pickle is read."""
    import zipfile

    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: torch.from_numpy(np.ascontiguousarray(file[name])) for name in file.files}
    except (ValueError, OSError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise SpikecheckError(f"--data {path}: {error}") from error


def from_torch(path: Path) -> dict[str, Any]:
    """Return the tensors of a file of torch.save, by name or index, read as a checkpoint is."""
    try:
        with open_checkpoint(path) as checkpoint:
            loader = TensorLoader()
            return {name: loader.load(ref) for name, ref in checkpoint.content.tensors.items()}
    except UnreadableError as error:
        raise SpikecheckError(f"--data {path}: {error}") from error


def from_hdf5(path: Path) -> dict[str, Any]:
    """Return the datasets at the root of an HDF5 file, by name."""
    import h5py
    import numpy as np

    try:
        with h5py.File(path, "r") as file:
            known = {name: part for name, part in file.items() if isinstance(part, h5py.Dataset)}
            if not known and "spikes" in file:
                raise SpikecheckError(
                    f"--data {path}: it holds events, as SHD does, not frames: write a function that bins them, and"
                    " pass --data package.module:function"
                )
            return {name: torch.from_numpy(np.ascontiguousarray(part[()])) for name, part in known.items()}
    except (OSError, TypeError, ValueError) as error:
        raise SpikecheckError(f"--data {path}: {error}") from error


READERS: dict[str, Callable[[Path], dict[str, Any]]] = {
    ".npz": from_npz,
    ".pt": from_torch,
    ".pth": from_torch,
    ".h5": from_hdf5,
    ".hdf5": from_hdf5,
}


def choose(arrays: dict[str, Tensor], path: Path, samples: int = SAMPLES) -> Batch:
    """Return input and targets among the arrays of a file: by name, else the largest array and a vector of integers."""
    if not arrays:
        raise SpikecheckError(f"--data {path}: it contains no array")
    lower = {name.lower(): name for name in arrays}
    x = next((lower[name] for name in INPUTS if name in lower), max(arrays, key=lambda name: arrays[name].numel()))
    rows = [name for name, value in arrays.items() if value.dim() == 1 and not value.is_floating_point() and name != x]
    y = next((lower[name] for name in TARGETS if name in lower and lower[name] != x), rows[0] if rows else None)
    inputs, targets = arrays[x], None if y is None else arrays[y]
    if inputs.dim() < 2:
        raise SpikecheckError(f"--data {path}: {x!r} has shape {list(inputs.shape)}; a batch needs two axes or more")
    if targets is not None and targets.dim() and len(targets) > samples:
        axis = next((axis for axis, size in enumerate(inputs.shape[:2]) if size == len(targets)), None)
        if axis is not None:
            inputs, targets = inputs.narrow(axis, 0, samples), targets[:samples]
    if targets is not None and not targets.is_floating_point():
        targets = targets.long()
    names = " and ".join(repr(name) for name in (x, y) if name is not None)
    return Batch((inputs.float(),), targets, f"{names} of {path.name}")


def synthetic(model: nn.Module) -> tuple[Batch, ...]:
    """Return made-up spikes of a shape that the model accepts, found by trying: a batch for each of `RATES`.

    Raises:
        SpikecheckError: it accepts none of the shapes that its first weight allows.
    """
    problem = "it has neither a linear nor a convolutional layer"
    for shape in shapes(model):
        batches = tuple(made_up(shape, rate) for rate in RATES)
        with isolated_copy(model, train=True) as twin, torch.no_grad():
            try:
                with UserCode(f"input of shape {list(shape)}"):
                    twin(*batches[0].inputs)
            except SpikecheckError as error:
                problem = str(error)
                continue
        return batches
    raise SpikecheckError(f"the input shape of the model is not known ({problem}): pass a batch, --data FILE")


def made_up(shape: tuple[int, ...], rate: float) -> Batch:
    """Return random spikes at one rate."""
    spikes = torch.rand(shape, generator=torch.Generator().manual_seed(0)) < rate
    return Batch((spikes.float(),), None, f"synthetic spikes in {rate:.0%} of the bins", made_up=True)


def shapes(model: nn.Module) -> Iterable[tuple[int, ...]]:
    """Yield shapes to try, by the first layer with weights: with a time axis, then without."""
    convolutions: dict[type[nn.Module], int] = {nn.Conv1d: 1, nn.Conv2d: 2, nn.Conv3d: 3}
    for _, module in model.named_modules():
        if isinstance(module, nn.Linear):
            yield from ((MADE_UP, MADE_UP, module.in_features), (MADE_UP, module.in_features))
            return
        if type(module) in convolutions:
            axes, channels = convolutions[type(module)], int(module.in_channels)
            for side in SIDES:
                frame = (channels, *(side,) * axes)
                yield from ((MADE_UP_IMAGES, MADE_UP_IMAGES, *frame), (MADE_UP_IMAGES, *frame))
            return
