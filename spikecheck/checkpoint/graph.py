"""Convert a NIR graph to a safetensors file: its parameters by node, in the order of the data flow.

A program of its own, which `nir.py` starts, since the HDF5 library never finishes reading some damaged files
(docs/decisions/0022). It reads a file from standard input, and imports nothing
of spikecheck. The layout is that of `nir.write` (Neuromorphic Intermediate Representation, https://neuroir.org): the
group `node` holds nodes and edges.
"""

from __future__ import annotations

import json
import sys
import zlib
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from math import prod
from typing import Any

import h5py

resource: Any
try:
    resource = import_module("resource")
except ImportError:  # Windows
    resource = None

REFUSED = 3  # the exit code; the reason is on standard error
MAX_MEMORY = 1 << 32
MAX_BYTES = 1 << 28  # of all parameters together
MAX_PARTS = 10_000
MAX_DEPTH = 40
MAX_TEXT, MAX_EDGES = 1 << 16, 1 << 20
MAX_LENGTH = 100
MAX_RATIO, HARMLESS = 200, 1 << 24  # what unpacks to more than 16 MB and 200 times its size is a bomb
DEFLATE, SHUFFLE = 1, 2  # the HDF5 library's numbers of its filters
FILTERS: tuple[list[int], ...] = ([], [DEFLATE], [SHUFFLE, DEFLATE])
GRAPH = "NIRGraph"
MATRICES = ("Affine", "Linear", "Conv1d", "Conv2d")
# Attributes of a node that are not parameters.
GEOMETRY = {"input_shape", "input_type", "shape", "stride", "padding", "dilation", "groups", "kernel_size"}
GEOMETRY |= {"start_dim", "end_dim"}
DTYPES = {"bool": "BOOL", "float16": "F16", "float32": "F32", "float64": "F64", "complex64": "C64"}
DTYPES |= {f"{sign}int{bits}": f"{sign.upper() or 'I'}{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
# What h5py raises for a damaged file.
DAMAGED = (LookupError, OSError, OverflowError, RuntimeError, TypeError, ValueError, zlib.error)


class RefusedError(Exception):
    """The file is not a graph, or not a reasonable one; the message says why."""


def quoted(text: str) -> str:
    """Quote a text that comes from the file, without control characters, and shorten it."""
    return ascii(text if len(text) < MAX_LENGTH else f"{text[:MAX_LENGTH]}...")


def linked(group: Any, name: str) -> Any:
    """Return the member of a group, None without one; RefusedError for a link to another place."""
    link = group.get(name, getlink=True)
    if link is None:
        return None
    if not isinstance(link, h5py.HardLink):
        raise RefusedError(f"refused: {quoted(name)} is a link to another place or file")
    return group[name]


class Graph:
    """The parameters of a graph by `node.parameter`, as arrays."""

    def __init__(self, root: Any) -> None:
        self.visited: set[int] = set()
        self.parts = self.bytes = 0
        self.parameters: dict[str, Any] = {}
        waiting: list[tuple[tuple[str, ...], Any]] = [((), root)]
        while waiting:
            path, group = waiting.pop()
            kind, members = self.enter(path, group)
            if kind == GRAPH:
                nodes = members.get("nodes")
                inside = dict(self.members(nodes)) if isinstance(nodes, h5py.Group) else {}
                order = in_order(list(inside), edges(members.get("edges")))
                waiting += [((*path, name), inside[name]) for name in reversed(order)]
            else:
                self.add_parameters(path, kind, members)

    def enter(self, path: tuple[str, ...], group: Any) -> tuple[str, dict[str, Any]]:
        """Return the kind of a node and its members; RefusedError for one reached twice, or no node."""
        named = quoted(".".join(path) or "node")
        if not isinstance(group, h5py.Group):
            raise RefusedError(f"damaged: {named} is not a node")
        address = h5py.h5o.get_info(group.id).addr
        if address in self.visited or len(path) > MAX_DEPTH:
            raise RefusedError(f"damaged: {named} contains itself, is in several places, or is nested too deeply")
        self.visited.add(address)
        members = dict(self.members(group))
        kind = text(members.get("type"))
        if not kind:
            raise RefusedError(f"damaged: {named} has no node type")
        return kind, members

    def members(self, group: Any) -> Iterator[tuple[str, Any]]:
        """Yield the members of a group, in the order of their names."""
        self.parts += len(group)
        if self.parts > MAX_PARTS:
            raise RefusedError(f"more than {MAX_PARTS:,} parts: no graph has so many")
        for name in group:
            yield name, linked(group, name)

    def add_parameters(self, path: tuple[str, ...], kind: str, members: dict[str, Any]) -> None:
        """Read the parameters of a node; those of neurons as a vector, whatever the shape of their layer."""
        for name, value in members.items():
            if name in GEOMETRY or not isinstance(value, h5py.Dataset) or value.dtype.kind not in "biufc":
                continue
            if value.dtype.name not in DTYPES:
                raise RefusedError(f"{quoted(name)} has an unknown type: {value.dtype.name}")
            array = values(value, MAX_BYTES - self.bytes)
            self.bytes += array.nbytes
            self.parameters[".".join((*path, name))] = array if kind in MATRICES else array.reshape(-1)


def text(value: Any) -> str:
    """Return the value as text; empty if it is not text."""
    if not isinstance(value, h5py.Dataset) or value.shape != () or value.dtype.kind not in "OS":
        return ""
    content = values(value, MAX_TEXT)
    return content.decode("utf-8", "replace") if isinstance(content, bytes) else ""


def edges(value: Any) -> list[tuple[str, str]]:
    """Return the edges, each from a node to a node; empty where the graph has none."""
    if not isinstance(value, h5py.Dataset) or value.dtype.kind not in "OS" or value.shape[1:] != (2,):
        return []
    pairs = values(value, MAX_EDGES).tolist()
    return [(begin.decode("utf-8", "replace"), end.decode("utf-8", "replace")) for begin, end in pairs]


def values(value: Any, limit: int) -> Any:
    """Return the values of a dataset, after a look at where they lie and how much they unpack to."""
    name, size, stored = quoted(value.name), value.size * value.dtype.itemsize, value.id.get_storage_size()
    if value.external or value.is_virtual:
        raise RefusedError(f"refused: {name} is stored in another file")
    chunk = prod(value.chunks or ()) * value.dtype.itemsize
    if max(size, chunk) > min(limit, max(HARMLESS, MAX_RATIO * stored)):
        raise RefusedError(f"{name} unpacks from {stored:,} to {max(size, chunk):,} bytes: too many")
    if value.chunks is not None:
        refuse_bombs(value, name, chunk)
    return value[()]


def refuse_bombs(value: Any, name: str, size: int) -> None:
    """Raise RefusedError where a chunk of a dataset does not unpack to its size: HDF5 itself would let it grow."""
    settings = value.id.get_create_plist()
    filters = [settings.get_filter(place)[0] for place in range(settings.get_nfilters())]
    if filters not in FILTERS:
        raise RefusedError(f"{name} is compressed, but not with gzip: write the graph with nir.write(file, graph)")
    if value.id.get_num_chunks() > MAX_PARTS:
        raise RefusedError(f"{name} is stored in more than {MAX_PARTS:,} chunks: no graph has so many")
    chunks: list[Any] = []
    value.id.chunk_iter(chunks.append)
    for chunk in chunks:
        if chunk.size > max(HARMLESS, 2 * size):
            raise RefusedError(f"damaged: a chunk of {name} claims {chunk.size:,} bytes")
        skipped, raw = value.id.read_direct_chunk(chunk.chunk_offset)
        packed = DEFLATE in filters and not skipped >> filters.index(DEFLATE) & 1
        if packed and len(zlib.decompressobj().decompress(raw, size + 1)) != size:
            raise RefusedError(f"damaged: a chunk of {name} does not unpack to its {size:,} bytes")


def in_order(names: list[str], edges: list[tuple[str, str]]) -> list[str]:
    """Return the nodes in the order of the data flow; edges that lead back are skipped.

    Depth first, each node after all that follow from it, then reversed: the topological order where there is no cycle
    (Cormen et al., Introduction to Algorithms, 22.4).
    """
    following: dict[str, list[str]] = {name: [] for name in names}
    for begin, end in edges:
        if begin in following and end in following:
            following[begin].append(end)
    reached = {end for ends in following.values() for end in ends}
    done: list[str] = []
    entered: set[str] = set()
    for first in sorted(names, key=reached.__contains__):
        stack = [] if first in entered else [(first, iter(following[first]))]
        entered.add(first)
        while stack:
            name, others = stack[-1]
            deeper = next((other for other in others if other not in entered), None)
            if deeper is None:
                done.append(name)
                stack.pop()
            else:
                entered.add(deeper)
                stack.append((deeper, iter(following[deeper])))
    return done[::-1]


def read(file: Any) -> dict[str, Any]:
    """Return the parameters of a graph.

    Raises:
        RefusedError: it is not a graph, or not a reasonable one: links to other files, cycles, too much data.
    """
    try:
        with h5py.File(file, "r") as opened:
            root = linked(opened, "node")
            if root is None:
                raise RefusedError("an HDF5 file, but not a NIR graph: it has no group 'node' (is it a Keras model?)")
            return Graph(root).parameters
    except DAMAGED as error:
        raise RefusedError(f"a damaged HDF5 file: {quoted(str(error))}") from error
    except MemoryError as error:
        raise RefusedError("the graph does not fit into memory") from error


def write(parameters: dict[str, Any], file: Any) -> None:
    """Write arrays in the form of safetensors: the length of a header, the header, the bytes."""
    header, at = {}, 0
    contents = []
    for name, array in parameters.items():
        contents.append(array.astype(array.dtype.newbyteorder("<")).tobytes())
        end = at + len(contents[-1])
        header[name] = {"dtype": DTYPES[array.dtype.name], "shape": list(array.shape), "data_offsets": [at, end]}
        at = end
    described = json.dumps(header).encode()
    for content in (len(described).to_bytes(8, "little"), described, *contents):
        file.write(content)


def limit_resources(cpu_seconds: int) -> None:
    """Limit processor time and memory where the system can; elsewhere the caller's timeout and the budgets here do."""
    if resource is None:
        return
    for kind, limit in ((resource.RLIMIT_CPU, cpu_seconds), (resource.RLIMIT_AS, MAX_MEMORY)):
        hard = resource.getrlimit(kind)[1]
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        with suppress(ValueError, OSError):  # macOS refuses limits of memory
            resource.setrlimit(kind, (limit, hard))


def main(cpu_seconds: int) -> int:
    """Read standard input, write standard output, with limited processor time and memory."""
    limit_resources(cpu_seconds)
    try:
        with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as file:
            parameters = read(file)
    except RefusedError as error:
        sys.stderr.write(str(error))
        return REFUSED
    write(parameters, sys.stdout.buffer)
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
