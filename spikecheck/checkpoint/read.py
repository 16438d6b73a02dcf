"""Read a checkpoint file without executing anything in it: what it holds, and where the bytes lie."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from spikecheck.checkpoint.archive import read_archive
from spikecheck.checkpoint.budget import Budget
from spikecheck.checkpoint.content import Content, sort_content
from spikecheck.checkpoint.described import Described
from spikecheck.checkpoint.legacy import read_legacy, read_nested
from spikecheck.checkpoint.nir import read_graph
from spikecheck.checkpoint.source import FileSource, detect_format, open_regular
from spikecheck.checkpoint.tensorfile import read_safetensors, shards
from spikecheck.errors import UnreadableError


@dataclass
class Checkpoint:
    """What a file holds: names, shapes and places, no value yet. Valid while the file is open."""

    content: Content
    format: str
    size: int
    refused: tuple[str, ...] = ()  # the globals of a pickle that are not on the allow-list
    executable: Mapping[str, bool] = field(default_factory=dict)  # of those, by whether `pickle.load` would call them
    remarks: list[str] = field(default_factory=list)


@contextmanager
def open_checkpoint(path: Path | BinaryIO, *, unsafe_pickle: bool = False) -> Iterator[Checkpoint]:
    """Read a checkpoint, from a path or an open file, and keep it open.

    Args:
        path: a file of torch.save (any version), a Lightning checkpoint, TorchScript, safetensors, a JSON index of
            safetensors shards, or a NIR graph; or a regular file that is open for reading, whose position changes.
        unsafe_pickle: let torch load a pickle and execute the code in it. Only for files that you made yourself.

    Raises:
        UnreadableError: it cannot be read; the message says why.
    """
    with ExitStack() as files:
        file = files.enter_context(open_regular(path)) if isinstance(path, Path) else path
        source = FileSource(file)
        kind, budget = detect_format(source), Budget()
        with refused_if_too_large():
            if kind == "json":
                if not isinstance(path, Path):
                    raise UnreadableError("an index of shards cannot be read from a pipe: the shards lie beside it")
                checkpoint = read_shards(source, path, files, budget)
            elif unsafe_pickle and kind in ("zip", "pickle"):
                from spikecheck.checkpoint.unsafe import load

                content = sort_content(load(file), budget)
                name = f"{kind}, loaded by torch, which executed the code in it"
                checkpoint = Checkpoint(content, name, source.size)
            else:
                described = read_format(kind, source, budget)
                content = sort_content(described.root, budget, described.aside)
                checkpoint = Checkpoint(content, described.format, source.size, described.refused, described.executable)
        if others := checkpoint.content.others:
            plural = "" if others == 1 else "s"
            checkpoint.remarks.append(f"{others:,} tensor{plural} outside the model (such as random generator states)")
        yield checkpoint


@contextmanager
def refused_if_too_large() -> Iterator[None]:
    """Turn what Python raises for want of memory, or for too deep a nesting, into a refusal."""
    try:
        yield
    except MemoryError as error:
        raise UnreadableError("it does not fit into memory") from error
    except RecursionError as error:
        raise UnreadableError("it is nested too deeply") from error


def read_format(kind: str, source: FileSource, budget: Budget) -> Described:
    """Return what a file of this format holds."""
    if kind == "zip":
        return read_archive(source, read_nested, budget)
    if kind == "safetensors":
        return Described(*read_safetensors(source, budget))
    if kind == "hdf5":
        return Described(*read_graph(source, budget))
    return read_legacy(source, read_nested, budget)


def read_shards(source: FileSource, path: Path, files: ExitStack, budget: Budget) -> Checkpoint:
    """Read all the shards of an index as one checkpoint."""
    content: dict[Any, Any] = {}
    size = source.size
    refused: dict[str, None] = {}
    executable: dict[str, bool] = {}
    aside: list[Any] = []
    for shard, names in shards(source, path.parent):
        try:
            file = FileSource(files.enter_context(open_regular(shard)))
            kind = detect_format(file)
            if kind == "json":
                raise UnreadableError("an index of shards inside an index of shards")
            described = read_format(kind, file, budget)
        except UnreadableError as error:
            raise UnreadableError(f"shard {shard.name!r}: {error}") from error
        tensors = described.root
        if not isinstance(tensors, dict):
            raise UnreadableError(f"shard {shard.name!r} holds no dictionary of tensors")
        if missing := sorted(names - tensors.keys()):
            raise UnreadableError(f"shard {shard.name!r} does not hold {missing[0]!r}, which the index says it does")
        aside += [content[name] for name in tensors.keys() & content.keys()]  # another shard's of the same name
        content.update(tensors)
        aside += described.aside
        refused.update(dict.fromkeys(described.refused))
        for name, called in described.executable.items():
            executable[name] = called or executable.get(name, False)
        size += file.size
    sorted_content = sort_content(content, budget, aside)
    return Checkpoint(sorted_content, "safetensors in shards", size, tuple(refused), executable)
