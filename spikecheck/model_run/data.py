"""One batch to run a model with: of the reference set, of a file, of the user's own loader, or made up."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from spikecheck.assertions.watched import isolated_copy, parts
from spikecheck.checkpoint.read import open_checkpoint
from spikecheck.checkpoint.tensors import TensorLoader
from spikecheck.errors import SpikecheckError, UnreadableError
from spikecheck.model_run.user_code import UserCode, called, named

REFERENCE = "reference"
SAMPLES = 64  # of a file or of the reference set: statistics of spikes need no more, and a laptop has the memory
INPUTS = ("x", "inputs", "input", "frames", "spikes", "data", "images", "x_test", "x_train", "0", "tensor")
TARGETS = ("y", "labels", "label", "targets", "target", "y_test", "y_train", "1")
MADE_UP = 32  # time steps and samples of made-up spikes; alike, so that either may come first
FEW = 8  # of them, where a sample is an image
# How often a made-up channel spikes in a step, taste: as in a busy input layer; in a sparse, and in a dense one.
RATES = (0.1, 0.02, 0.5)
SIDES = (28, 32, 34, 48, 64, 128)  # of images and event cameras: MNIST, CIFAR, N-MNIST, DVS at several scales


@dataclass(frozen=True)
class Batch:
    """What the model is called with, targets where there are any, and where they come from, in words."""

    inputs: tuple[Any, ...]
    targets: Any
    source: str
    made_up: bool = False

    @property
    def shape(self) -> list[int]:
        """Of the first tensor."""
        return list(next(value for value in self.inputs if isinstance(value, Tensor)).shape)


def read(spec: str) -> Batch:
    """The batch that `--data` names.

    Raises:
        SpikecheckError: there is none, or it cannot be read; the message says what was looked for.
    """
    if spec == REFERENCE:
        return reference()
    if ":" in spec and not Path(spec).exists():
        return loaded(spec)
    path = Path(spec)
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise SpikecheckError(
            f"--data {spec}: takes {REFERENCE!r}, a file that ends in {', '.join(READERS)}, or package.module:function"
        )
    if not path.is_file():
        raise SpikecheckError(f"--data {spec}: there is no such file")
    return arranged(reader(path), path)


def reference(frames: Callable[[Any], Tensor] | None = None) -> Batch:
    """Words of the reference set that the reference model is not trained with, spread over them."""
    from spikecheck.reference.frames import Frames
    from spikecheck.reference.shd import open_digits

    words = open_digits(None, train=False)
    chosen = [words[index] for index in range(0, len(words), max(1, len(words) // SAMPLES))][:SAMPLES]
    made = torch.stack([(frames or Frames())(events) for events, _ in chosen]).float()
    return Batch((made,), torch.tensor([int(label) for _, label in chosen]), "words of the reference set")


def loaded(spec: str) -> Batch:
    """The first batch of what the user names: a loader or one batch, or a function that returns one."""
    made = named(spec, "--data")
    given = called(made, {}, spec) if callable(made) else made
    with UserCode(f"--data {spec}: taking the first batch"):
        first = given if is_batch(given) else next(iter(given), None) if isinstance(given, Iterable) else None
    if first is None:
        raise SpikecheckError(f"--data {spec} is or returned a {type(given).__name__} without a batch in it")
    inputs, targets = parts(first)
    return Batch(inputs, targets, f"the first batch of {spec}")


def is_batch(given: Any) -> bool:
    """Is it one batch, as a DataLoader gives it (a list), and not a loader?"""
    return isinstance(given, Tensor) or (isinstance(given, tuple | list) and any(isinstance(g, Tensor) for g in given))


def from_npz(path: Path) -> dict[str, Any]:
    """The arrays of an .npz file, by name; none that needs pickle is read."""
    import zipfile

    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: torch.from_numpy(np.ascontiguousarray(file[name])) for name in file.files}
    except (ValueError, OSError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise SpikecheckError(f"--data {path}: {error}") from error


def from_torch(path: Path) -> dict[str, Any]:
    """The tensors of a file of torch.save, by name or place, read as a checkpoint is."""
    try:
        with open_checkpoint(path) as checkpoint:
            values = TensorLoader()
            return {name: values.load(ref) for name, ref in checkpoint.content.tensors.items()}
    except UnreadableError as error:
        raise SpikecheckError(f"--data {path}: {error}") from error


def from_hdf5(path: Path) -> dict[str, Any]:
    """The datasets at the root of an HDF5 file, by name."""
    import h5py
    import numpy as np

    try:
        with h5py.File(path, "r") as file:
            known = {name: part for name, part in file.items() if isinstance(part, h5py.Dataset)}
            if not known and "spikes" in file:
                raise SpikecheckError(
                    f"--data {path}: it holds events (as SHD does), and no frames: write a function that bins them,"
                    " and pass --data package.module:function"
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


def arranged(found: dict[str, Tensor], path: Path) -> Batch:
    """The input and the targets among the tensors of a file: by their names, else the largest and a row of integers."""
    if not found:
        raise SpikecheckError(f"--data {path}: it holds no array")
    lower = {name.lower(): name for name in found}
    x = next((lower[name] for name in INPUTS if name in lower), max(found, key=lambda name: found[name].numel()))
    rows = [name for name, value in found.items() if value.dim() == 1 and not value.is_floating_point() and name != x]
    y = next((lower[name] for name in TARGETS if name in lower and lower[name] != x), rows[0] if rows else None)
    inputs, targets = found[x], None if y is None else found[y]
    if inputs.dim() < 2:
        raise SpikecheckError(f"--data {path}: {x!r} has the shape {list(inputs.shape)}: a batch has two axes or more")
    if targets is not None and targets.dim() and len(targets) > SAMPLES:
        axis = next((axis for axis, size in enumerate(inputs.shape[:2]) if size == len(targets)), None)
        if axis is not None:
            inputs, targets = inputs.narrow(axis, 0, SAMPLES), targets[:SAMPLES]
    if targets is not None and not targets.is_floating_point():
        targets = targets.long()
    names = " and ".join(repr(name) for name in (x, y) if name is not None)
    return Batch((inputs.float(),), targets, f"{names} of {path.name}")


def synthetic(model: nn.Module) -> tuple[Batch, ...]:
    """Made-up spikes of the shape that the model takes, found out by trying: a batch for each of `RATES`.

    Raises:
        SpikecheckError: it takes none of the shapes that its first weight allows.
    """
    last = "it has neither a linear nor a convolutional layer"
    for shape in shapes(model):
        batches = tuple(made_up(shape, rate) for rate in RATES)
        with isolated_copy(model, train=True) as twin, torch.no_grad():
            try:
                with UserCode(f"{list(shape)}"):
                    twin(*batches[0].inputs)
            except SpikecheckError as error:
                last = str(error)
                continue
        return batches
    raise SpikecheckError(f"what the model takes could not be worked out ({last}): give a batch, --data FILE")


def made_up(shape: tuple[int, ...], rate: float) -> Batch:
    """Spikes at random, at one rate everywhere."""
    spikes = torch.rand(shape, generator=torch.Generator().manual_seed(0)) < rate
    return Batch((spikes.float(),), None, f"synthetic spikes in {rate:.0%} of the bins", made_up=True)


def shapes(model: nn.Module) -> Iterable[tuple[int, ...]]:
    """Shapes to try, by the first layer with weights: with a time axis, then without."""
    convolutions: dict[type[nn.Module], int] = {nn.Conv1d: 1, nn.Conv2d: 2, nn.Conv3d: 3}
    for module in model.modules():
        if isinstance(module, nn.Linear):
            yield from ((MADE_UP, MADE_UP, module.in_features), (MADE_UP, module.in_features))
            return
        if type(module) in convolutions:
            axes, channels = convolutions[type(module)], int(module.in_channels)  # type: ignore[arg-type]
            for side in SIDES:
                frame = (channels, *(side,) * axes)
                yield from ((FEW, FEW, *frame), (FEW, *frame))
            return
