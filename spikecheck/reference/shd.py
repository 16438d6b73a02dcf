"""Open spoken digits: the packaged set, or the user's own Spiking Heidelberg Digits (SHD).

Both are read by `tonic.datasets.SHD`: a sample is (events, label), `events` a structured array of shape (spikes,)
with `t` in microseconds, `x` the channel from 0 to 699, and `p`, which is 1 for every event. Source: B. Cramer,
Y. Stradmann, J. Schemmel and F. Zenke, "The Heidelberg Spiking Data Sets for the Systematic Evaluation of Spiking
Neural Networks", IEEE TNNLS 33(7), 2744-2757 (2022), arXiv:1910.07407.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tonic
from numpy.typing import NDArray

from spikecheck.errors import SpikecheckError
from spikecheck.reference import pack
from spikecheck.settings import CACHE_VARIABLE, cache_folder

PACKED = Path(__file__).with_name("digits.xz")
CLASSES = 20


class SHD(tonic.datasets.SHD):  # type: ignore[misc]
    """tonic's SHD without downloads: reads `<folder>/SHD/shd_train.h5` or `shd_test.h5`.

    The class has the same name because tonic looks in a folder named after the class.
    """

    def _check_exists(self) -> bool:
        # tonic also requires the zip file that it unpacked, and would download 130 MB if it was deleted.
        return Path(self.location_on_system, self.data_filename).is_file()

    def download(self) -> None:
        """Raise SpikecheckError with the name of the missing file."""
        raise SpikecheckError(
            f"{Path(self.location_on_system, self.data_filename)} does not exist: pass the folder that contains"
            f" SHD/{self.data_filename}, or pass no folder to use the packaged set"
        )


def open_digits(folder: Path | None, *, train: bool, transform: Callable[[NDArray[Any]], object] | None = None) -> SHD:
    """Open spoken digits; nothing is ever downloaded.

    Args:
        folder: the folder with the user's own SHD, read from `<folder>/SHD/`; None for the packaged set, which is
            unpacked into `cache_folder()` on first use.
        train: whether to open the training words, or else the test words.
        transform: applied to the events of each sample.

    Raises:
        SpikecheckError: the files are missing or broken, or the packaged set cannot be unpacked.
    """
    location = unpacked() if folder is None else folder
    try:
        return SHD(str(location), train=train, transform=transform)
    except (OSError, KeyError) as error:  # h5py's errors for a file that is not HDF5, or has a different layout
        raise SpikecheckError(
            f"{location} contains no readable SHD ({error}): the download may be incomplete"
        ) from error


def speakers(dataset: tonic.datasets.SHD) -> NDArray[np.int64]:
    """Return the speaker of each sample of a `dataset`, shape (samples,): hold some speakers out for validation."""
    return np.asarray(dataset.speaker, dtype=np.int64)


def labels(dataset: tonic.datasets.SHD) -> NDArray[np.int64]:
    """Return the class of each sample of a `dataset`, shape (samples,), without reading any spikes."""
    import h5py

    with h5py.File(Path(dataset.location_on_system, dataset.data_filename), "r") as file:
        return np.asarray(file["labels"], dtype=np.int64)


def class_names(dataset: tonic.datasets.SHD) -> tuple[str, ...]:
    """Return the names of the classes of a `dataset` by label: "zero" to "nine", then "null" to "neun"."""
    return tuple(key.decode() if isinstance(key, bytes) else str(key) for key in dataset.classes)


def packed_digits(path: Path = PACKED) -> tuple[dict[str, pack.Words], tuple[str, ...]]:
    """Return the splits ("train", "test") and class names of the packed file at `path`.

    Raises:
        SpikecheckError: the file cannot be read.
    """
    return pack.unpack(_bytes(path))


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SpikecheckError(f"{path} cannot be read: generate it with `spikecheck data make`") from error


def unpacked(path: Path = PACKED) -> Path:
    """Unpack the packed set at `path` if necessary, and return the folder for tonic's `save_to`.

    The folder's name contains a digest of the packed file, so different sets never share files. Each file is written
    under a temporary name and then renamed, so several processes may unpack at once.

    Raises:
        SpikecheckError: the packed file cannot be read, or the folder cannot be written.
    """
    folder = cache_folder() / f"digits-{hashlib.sha256(_bytes(path)).hexdigest()[:12]}"
    files = {split: folder / "SHD" / f"shd_{split}.h5" for split in ("train", "test")}
    missing = [split for split, file in files.items() if not file.is_file()]
    splits, keys = packed_digits(path) if missing else ({}, ())
    try:
        for split in missing:
            _write(files[split], splits[split], keys)
        for file in files.values():
            # Without a zip file beside it, tonic's own class would download SHD and overwrite this set.
            file.with_name(f"{file.name}.zip").touch()
    except OSError as error:
        raise SpikecheckError(f"{folder} cannot be written ({error}): set {CACHE_VARIABLE} to a folder") from error
    return folder


def _write(file: Path, words: pack.Words, keys: tuple[str, ...]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=file.parent) as temporary:
        partial = Path(temporary, file.name)
        pack.write_hdf5(partial, words, keys)
        os.replace(partial, file)
