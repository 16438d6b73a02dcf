"""Read a checkpoint file without executing anything in it: what it holds, and where the bytes lie."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from spikecheck.checkpoint.archive import read_archive
from spikecheck.checkpoint.content import Content, sort_content
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
        kind = detect_format(source)
        try:
            if kind == "json":
                if not isinstance(path, Path):
                    raise UnreadableError("an index of shards cannot be read from a pipe: the shards lie beside it")
                yield read_shards(source, path, files)
                return
            if unsafe_pickle and kind in ("zip", "pickle"):
                from spikecheck.checkpoint.unsafe import load

                content = sort_content(load(file))
                yield Checkpoint(content, f"{kind}, loaded by torch, which executed the code in it", source.size)
                return
            root, format_name, refused = read_format(kind, source)
        except MemoryError as error:
            raise UnreadableError("the description of its tensors does not fit into memory") from error
        checkpoint = Checkpoint(sort_content(root), format_name, source.size, refused)
        if others := checkpoint.content.others:
            plural = "" if others == 1 else "s"
            checkpoint.remarks.append(f"{others:,} tensor{plural} outside the model (such as random generator states)")
        yield checkpoint


def read_format(kind: str, source: FileSource) -> tuple[Any, str, tuple[str, ...]]:
    """Return what a file of this format holds, the name of the format, and the globals that were refused."""
    if kind == "zip":
        root, format_name, refused = read_archive(source, read_nested)
        return root, format_name, tuple(refused)
    if kind == "safetensors":
        tensors, format_name = read_safetensors(source)
        return tensors, format_name, ()
    if kind == "hdf5":
        tensors, format_name = read_graph(source)
        return tensors, format_name, ()
    root, format_name, refused = read_legacy(source, read_nested)
    return root, format_name, tuple(refused)


def read_shards(source: FileSource, path: Path, files: ExitStack) -> Checkpoint:
    """Read all the shards of an index as one checkpoint."""
    content: dict[str, Any] = {}
    size = source.size
    refused: dict[str, None] = {}
    for shard, names in shards(source, path.parent):
        try:
            file = FileSource(files.enter_context(open_regular(shard)))
            kind = detect_format(file)
            if kind == "json":
                raise UnreadableError("an index of shards inside an index of shards")
            tensors, _, refused_here = read_format(kind, file)
        except UnreadableError as error:
            raise UnreadableError(f"shard {shard.name!r}: {error}") from error
        if not isinstance(tensors, dict):
            raise UnreadableError(f"shard {shard.name!r} holds no dictionary of tensors")
        if missing := sorted(names - tensors.keys()):
            raise UnreadableError(f"shard {shard.name!r} does not hold {missing[0]!r}, which the index says it does")
        content.update(tensors)
        refused.update(dict.fromkeys(refused_here))
        size += file.size
    return Checkpoint(sort_content(content), "safetensors in shards", size, tuple(refused))
