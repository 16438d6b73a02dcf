"""Read safetensors files, and the JSON index of several of them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from math import prod
from pathlib import Path, PurePosixPath
from typing import Any

from spikecheck.checkpoint.budget import Budget
from spikecheck.checkpoint.rebuild import is_count
from spikecheck.checkpoint.values import ITEM_SIZES, Record, Source, StorageRef, TensorRef
from spikecheck.errors import UnreadableError

MAX_HEADER = MAX_INDEX = 1 << 25  # bytes, a judgment call: 300,000 tensors; in memory 10 times as much
MAX_PARTS = 1_000_000  # lists and dicts in it
KEY = "spikecheck"  # the key that `spikecheck.save_evidence` uses
MAX_DEPTH = 40
NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
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


def parse_object(text: bytes, what: str) -> dict[str, Any]:
    """Return the JSON object in a text; UnreadableError says what is wrong with it."""
    brackets = text.translate(None, NO_BRACKETS)
    if len(brackets) > 2 * MAX_PARTS:
        raise UnreadableError(f"damaged: {what} has too many parts")
    if bracket_depth(brackets) > MAX_DEPTH:
        raise UnreadableError(f"damaged: {what} is nested too deeply")
    try:
        content = json.loads(text, object_pairs_hook=without_duplicates)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"damaged: {what} is not valid JSON") from error
    if not isinstance(content, dict):
        raise UnreadableError(f"damaged: {what} is not a JSON object")
    return content


def without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object; ValueError where a key occurs twice, of which readers keep different ones."""
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("a key occurs twice")
    return content


def bracket_depth(text: bytes) -> int:
    """Return the depth of nested brackets; those in strings count too, which errs on the safe side."""
    depth = deepest = 0
    for byte in text:
        depth += (byte in b"[{") - (byte in b"]}")
        deepest = max(deepest, depth)
    return deepest


def read_safetensors(source: Source, budget: Budget) -> tuple[dict[str, Any], str]:
    """Return the tensors of a safetensors file by name, and the name of the format."""
    length = int.from_bytes(source.read(0, 8), "little")
    if length > MAX_HEADER or 8 + length > source.size:
        raise UnreadableError(f"truncated or damaged: its header claims {length:,} bytes, in a file of {source.size:,}")
    budget.spend_bytes(4 * length)
    header = parse_object(source.read(8, length), "its header")
    content: dict[str, Any] = evidence(header.pop("__metadata__", None))
    ranges: list[tuple[int, int]] = []
    for name, entry in header.items():
        budget.spend_nodes()
        dtype, shape, begin, end = parse_entry(name, entry)
        start = 8 + length
        if start + end > source.size:
            raise UnreadableError(f"truncated: {name!r} extends beyond the end of the file")
        ranges.append((begin, end))
        record = Record(name, source, start + begin, end - begin)
        elements = (end - begin) // ITEM_SIZES[dtype]
        content[name] = TensorRef(StorageRef(record, dtype, elements), 0, shape, contiguous(shape))
    at = 0
    for begin, end in sorted(ranges):
        if begin != at:
            raise UnreadableError("damaged: its tensors overlap or leave a gap")
        at = end
    if 8 + length + at != source.size:
        raise UnreadableError("damaged: there are bytes after its last tensor")
    return content, "safetensors"


def evidence(metadata: Any) -> dict[str, Any]:
    """Return the evidence of a run in the metadata, which hold text only, so that it is JSON; empty without any."""
    text = metadata.get(KEY) if isinstance(metadata, dict) else None
    return (
        {KEY: parse_object(text.encode(errors="replace"), "the evidence in its metadata")}
        if isinstance(text, str)
        else {}
    )


def parse_entry(name: str, entry: Any) -> tuple[str, tuple[int, ...], int, int]:
    """Return the type, shape, begin and end of a tensor; UnreadableError where they contradict each other."""
    shape, offsets = (entry.get("shape"), entry.get("data_offsets")) if isinstance(entry, dict) else (None, None)
    if not isinstance(shape, list) or not isinstance(offsets, list) or len(offsets) != 2:
        raise UnreadableError(f"damaged: its header does not describe {name!r}")
    dtype = DTYPES.get(entry["dtype"]) if isinstance(entry.get("dtype"), str) else None
    if dtype is None:
        raise UnreadableError(f"{name!r} has an unknown type: {str(entry.get('dtype'))[:20]!r}")
    if not all(map(is_count, [*shape, *offsets])) or len(shape) > 64:
        raise UnreadableError(f"damaged: the shape or offsets of {name!r} are not valid numbers")
    elements = prod(shape)
    begin, end = offsets
    if end - begin != elements * ITEM_SIZES[dtype]:
        raise UnreadableError(f"damaged: the shape of {name!r} does not match its {end - begin:,} bytes")
    return dtype, tuple(shape), begin, end


def contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the strides of a contiguous tensor."""
    strides = [1] * len(shape)
    for axis in range(len(shape) - 2, -1, -1):
        strides[axis] = strides[axis + 1] * max(1, shape[axis + 1])
    return tuple(strides)


def shards(source: Source, folder: Path) -> Iterator[tuple[Path, set[str]]]:
    """Yield the files that an index names, with the tensors in each; UnreadableError for one outside the directory."""
    if source.size > MAX_INDEX:
        raise UnreadableError(f"too large for an index of shards: {source.size:,} bytes")
    index = parse_object(source.read(0, source.size), "the index of shards")
    table = index.get("weight_map")
    if not isinstance(table, dict):
        raise UnreadableError("a JSON file, but not an index of shards: it has no weight_map")
    names_by_shard: dict[str, set[str]] = {}
    for tensor, name in table.items():
        if not isinstance(name, str):
            raise UnreadableError("damaged: the index of shards names something that is not a file name")
        names_by_shard.setdefault(name, set()).add(tensor)
    for name, tensors in names_by_shard.items():
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or len(path.parts) != 1:
            raise UnreadableError(f"refused: the index names the shard {name!r}, outside its own directory")
        if not os.path.lexists(folder / name):
            raise UnreadableError(f"the shard {name!r}, which the index names, is missing")
        yield folder / name, tensors
