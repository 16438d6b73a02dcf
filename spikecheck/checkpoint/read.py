"""Reads a checkpoint file without running anything that it carries: what it holds, and where the bytes lie."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from spikecheck.checkpoint.archive import read_archive
from spikecheck.checkpoint.content import Content, harvest
from spikecheck.checkpoint.legacy import read_legacy, read_nested
from spikecheck.checkpoint.nir import read_graph
from spikecheck.checkpoint.source import FileSource, look, open_regular
from spikecheck.checkpoint.tensorfile import read_tensorfile, shards
from spikecheck.errors import UnreadableError


@dataclass
class Checkpoint:
    """What a file holds: names, shapes and places, no value yet. Valid while the file is open."""

    content: Content
    format: str
    size: int
    refused: tuple[str, ...] = ()
    remarks: list[str] = field(default_factory=list)


@contextmanager
def opened(path: Path | BinaryIO, *, unsafe_pickle: bool = False) -> Iterator[Checkpoint]:
    """Read a checkpoint, from a path or an open file, and keep it open.

    Args:
        path: a file of torch.save (any version), a Lightning checkpoint, TorchScript, safetensors, or a JSON index of
            several safetensors, a NIR graph; or a regular file that is open for reading.
        unsafe_pickle: let torch load a pickle and run what it carries. Only for files that you made yourself.

    Raises:
        UnreadableError: it cannot be read; the message says why.
    """
    with ExitStack() as files:
        file = files.enter_context(open_regular(path)) if isinstance(path, Path) else path
        source = FileSource(file.fileno())
        kind = look(source)
        try:
            if kind == "json":
                if not isinstance(path, Path):
                    raise UnreadableError("an index of shards cannot come from a pipe: its files lie beside it")
                yield sharded(source, path, files)
                return
            if unsafe_pickle and kind in ("zip", "pickle"):
                from spikecheck.checkpoint.unsafe import load

                yield Checkpoint(harvest(load(file)), f"{kind}, loaded by torch: what it carries was run", source.size)
                return
            root, said, refused = described(kind, source)
        except MemoryError as error:
            raise UnreadableError("what describes its tensors does not fit into memory") from error
        made = Checkpoint(harvest(root), said, source.size, tuple(refused))
        if made.content.others:
            plural = "" if made.content.others == 1 else "s"
            made.remarks.append(f"{made.content.others} tensor{plural} beside the model: generator states and the like")
        yield made


def described(kind: str, source: FileSource) -> tuple[Any, str, tuple[str, ...]]:
    """What a file of this kind holds."""
    if kind == "zip":
        root, said, refused = read_archive(source, read_nested)
        return root, said, tuple(refused)
    if kind == "safetensors":
        tensors, said = read_tensorfile(source)
        return tensors, said, ()
    if kind == "hdf5":
        tensors, said = read_graph(source)
        return tensors, said, ()
    root, said, refused = read_legacy(source, read_nested)
    return root, said, tuple(refused)


def sharded(source: FileSource, path: Path, files: ExitStack) -> Checkpoint:
    """All the shards of an index as one checkpoint."""
    found: dict[str, Any] = {}
    size = source.size
    refused: dict[str, None] = {}
    for shard, wanted in shards(source, path.parent):
        try:
            file = FileSource(files.enter_context(open_regular(shard)).fileno())
            kind = look(file)
            if kind == "json":
                raise UnreadableError("an index within an index")
            tensors, _, names = described(kind, file)
        except UnreadableError as error:
            raise UnreadableError(f"shard {shard.name!r}: {error}") from error
        if not isinstance(tensors, dict) or (missing := sorted(wanted - tensors.keys())):
            named = repr(missing[0]) if isinstance(tensors, dict) else "what"
            raise UnreadableError(f"shard {shard.name!r} does not hold {named} that the index names")
        found.update(tensors)
        refused.update(dict.fromkeys(names))
        size += file.size
    return Checkpoint(harvest(found), "safetensors in shards", size, tuple(refused))
