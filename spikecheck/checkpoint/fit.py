"""Match the keys of a checkpoint with those of a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass

from spikecheck.checkpoint.content import without_wrappers
from spikecheck.checkpoint.names import STATES
from spikecheck.stored import FitReading

Shapes = Mapping[str, tuple[int, ...]]
MAX_DEPTH = 3  # parts of a prefix: "module._orig_mod.model."
MAX_PREFIXES = 8


@dataclass(frozen=True)
class Fit:
    """How the keys fit, and the file's key for each key of the model that fits."""

    reading: FitReading
    keys: Mapping[str, str]

    @property
    def whole(self) -> bool:
        """Return whether the file holds everything that the model needs."""
        return not self.reading.missing and not self.reading.shape_mismatches


def fit(file: Shapes, model: Shapes, optional: Set[str] = frozenset()) -> Fit:
    """Match keys by name, with the prefix removed or added that makes most of them fit in name and shape.

    `optional` are keys of the model that are not parameters: a neuron's state among them may be missing.
    """
    best, chosen = 0, ("", "", False)
    for how in renamings(file, model):
        score = sum(model.get(name) == file[key] for name, key in renamed(file, *how).items())
        if score > best:
            best, chosen = score, how
        if best == len(model):
            break
    before, instead, wrapped = chosen
    named = renamed(file, before, instead, wrapped)
    pairs = {name: named[name] for name in model if name in named}
    fitting = {name: key for name, key in pairs.items() if model[name] == file[key]}
    passed = {name for name in optional if name.rpartition(".")[2] in STATES}
    missing = tuple(name for name in model if name not in named and name not in passed)
    unexpected = tuple(
        key for name, key in named.items() if name not in model and name.rpartition(".")[2] not in STATES
    )
    unexpected += tuple(key for key in file if key not in named.values())
    shapes = tuple((n, file[k], model[n]) for n, k in pairs.items() if n not in fitting and n not in passed)
    alike = bool(missing) and [model[name] for name in missing] == [file[key] for key in unexpected]
    reading = FitReading(len(fitting), missing, unexpected, shapes, before, instead, wrapped, alike)
    return Fit(reading, fitting)


def renamings(file: Shapes, model: Shapes) -> Iterator[tuple[str, str, bool]]:
    """Yield the prefixes to replace, and whether to remove wrappers; no change comes first."""
    for wrapped in (False, True):
        for before in ("", *prefixes({unwrapped(key, wrapped) for key in file})):
            for instead in ("", *prefixes(model)):
                yield before, instead, wrapped


def unwrapped(key: str, wrapped: bool) -> str:
    """Return the key, without the parts that torch.compile and other wrappers insert if `wrapped`."""
    return without_wrappers(key) if wrapped else key


def renamed(file: Shapes, before: str, instead: str, wrapped: bool) -> dict[str, str]:
    """Return the file's keys by their names with the prefix replaced."""
    named: dict[str, str] = {}
    for key in file:
        name = unwrapped(key, wrapped)
        if name.startswith(before):
            named.setdefault(instead + name.removeprefix(before), key)
    return named


def prefixes(keys: Set[str] | Mapping[str, object]) -> list[str]:
    """Return the prefixes, up to a dot, of at least half of the keys; the shortest first."""
    counts: dict[str, int] = {}
    for key in keys:
        parts = key.split(".")[:-1]
        for depth in range(1, min(MAX_DEPTH, len(parts)) + 1):
            prefix = ".".join(parts[:depth]) + "."
            counts[prefix] = counts.get(prefix, 0) + 1
    most = sorted((p for p, count in counts.items() if 2 * count >= len(keys)), key=lambda p: (p.count("."), p))
    return most[:MAX_PREFIXES]
