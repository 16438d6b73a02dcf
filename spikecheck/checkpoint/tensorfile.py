"""safetensors files, and the index that ties several of them together."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from spikecheck.checkpoint.rebuild import is_count
from spikecheck.checkpoint.values import ITEM_SIZES, Record, Source, StorageRef, TensorRef
from spikecheck.errors import UnreadableError

MOST_HEADER = 100_000_000  # the limit of the safetensors library itself
MOST_INDEX = 1 << 26
KEY = "spikecheck"  # as `spikecheck.save_evidence` calls it in a dict
MOST_DEPTH = 40
DTYPES = {
    "BOOL": "bool",
    "U8": "uint8",
    "I8": "int8",
    "U16": "uint16",
    "I16": "int16",
    "U32": "uint32",
    "I32": "int32",
    "U64": "uint64",
    "I64": "int64",
    "F16": "float16",
    "BF16": "bfloat16",
    "F32": "float32",
    "F64": "float64",
    "C64": "complex64",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "F8_E8M0": "float8_e8m0fnu",
}


def parsed(text: bytes, what: str) -> dict[str, Any]:
    """JSON that is an object; UnreadableError says what is wrong with it."""
    if max(text.count(b"["), text.count(b"{")) > MOST_DEPTH and nested(text) > MOST_DEPTH:
        raise UnreadableError(f"damaged: {what} is nested too deep")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"damaged: {what} is no JSON") from error
    if not isinstance(found, dict):
        raise UnreadableError(f"damaged: {what} is no JSON object")
    return found


def nested(text: bytes) -> int:
    """How deep brackets stand within brackets; those in strings are counted too, which errs on the safe side."""
    depth = most = 0
    for byte in text:
        depth += (byte in b"[{") - (byte in b"]}")
        most = max(most, depth)
    return most


def read_safetensors(source: Source) -> tuple[dict[str, Any], str]:
    """The tensors of a safetensors file by name, its format in words."""
    length = int.from_bytes(source.read(0, 8), "little")
    if length > MOST_HEADER or 8 + length > source.size:
        raise UnreadableError(f"its header claims {length} bytes, in a file of {source.size}: cut short or damaged")
    header = parsed(source.read(8, length), "its header")
    found: dict[str, Any] = evidence(header.pop("__metadata__", None))
    reach: list[tuple[int, int]] = []
    for name, entry in header.items():
        dtype, shape, begin, end = described(name, entry)
        start = 8 + length
        if start + end > source.size:
            raise UnreadableError(f"cut short: {name!r} reaches beyond the end of the file")
        reach.append((begin, end))
        record = Record(name, source, start + begin, end - begin)
        elements = (end - begin) // ITEM_SIZES[dtype]
        found[name] = TensorRef(StorageRef(record, dtype, elements), 0, shape, contiguous(shape))
    at = 0
    for begin, end in sorted(reach):
        if begin != at:
            raise UnreadableError("damaged: its tensors overlap, or leave a gap")
        at = end
    if 8 + length + at != source.size:
        raise UnreadableError("damaged: there are bytes behind its last tensor")
    return found, "safetensors"


def evidence(metadata: Any) -> dict[str, Any]:
    """The evidence of a run, where the metadata hold one as JSON: texts are all that they can hold."""
    told = metadata.get(KEY) if isinstance(metadata, dict) else None
    return {KEY: parsed(told.encode(), "the evidence in its metadata")} if isinstance(told, str) else {}


def described(name: str, entry: Any) -> tuple[str, tuple[int, ...], int, int]:
    """Type, shape and place of a tensor; UnreadableError where they contradict each other."""
    shape, offsets = (entry.get("shape"), entry.get("data_offsets")) if isinstance(entry, dict) else (None, None)
    if not isinstance(shape, list) or not isinstance(offsets, list) or len(offsets) != 2:
        raise UnreadableError(f"damaged: its header does not describe {name!r}")
    if entry.get("dtype") not in DTYPES:
        raise UnreadableError(f"{name!r} has the unknown type {str(entry.get('dtype'))[:20]!r}")
    dtype = DTYPES[entry["dtype"]]
    if not all(map(is_count, [*shape, *offsets])) or len(shape) > 64:
        raise UnreadableError(f"damaged: the shape or place of {name!r} is no number")
    elements = 1
    for size in shape:
        elements *= size
    begin, end = offsets
    if end - begin != elements * ITEM_SIZES[dtype]:
        raise UnreadableError(f"damaged: the shape of {name!r} does not fit its {end - begin} bytes")
    return dtype, tuple(shape), begin, end


def contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of a tensor without gaps."""
    strides = [1] * len(shape)
    for axis in range(len(shape) - 2, -1, -1):
        strides[axis] = strides[axis + 1] * max(1, shape[axis + 1])
    return tuple(strides)


def shards(source: Source, folder: Path) -> Iterator[tuple[Path, set[str]]]:
    """The files that an index names, with the tensors in each; UnreadableError for one that leaves the folder."""
    if source.size > MOST_INDEX:
        raise UnreadableError("an index of this size is none")
    index = parsed(source.read(0, source.size), "the index of shards")
    table = index.get("weight_map")
    if not isinstance(table, dict):
        raise UnreadableError("a JSON file, but no index of shards: it has no weight_map")
    wanted: dict[str, set[str]] = {}
    for tensor, name in table.items():
        if not isinstance(name, str):
            raise UnreadableError("damaged: the index of shards names something that is no file")
        wanted.setdefault(name, set()).add(tensor)
    for name, tensors in wanted.items():
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or len(path.parts) != 1:
            raise UnreadableError(f"the index names the shard {name!r}, which leaves the folder: refused")
        if not os.path.lexists(folder / name):
            raise UnreadableError(f"the shard {name!r} of the index is missing")
        yield folder / name, tensors
