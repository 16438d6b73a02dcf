"""NIR graphs: one that `nir` wrote, and HDF5 files that would hang, bloat or lead a reader astray."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np

TEXT = h5py.string_dtype()
Fill = Callable[[Any], None]


def layer(neurons: int, **changed: Any) -> nir.LIF:
    """Leaky neurons; what is changed is a number for all of them."""
    one = np.ones(neurons, "float32")
    values = {"tau": 0.02, "r": 1.0, "v_leak": 0.0, "v_threshold": 1.0, **changed}
    return nir.LIF(**{name: one * value for name, value in values.items()})


def graph(**changed: Any) -> nir.NIRGraph:
    """Two layers of leaky neurons, that of `changed` the first, under names whose order is not that of the data."""
    rng = np.random.default_rng(0)
    nodes = {
        "input": nir.Input(np.array([16])),
        "z": nir.Affine((rng.random((8, 16), "float32") - 0.5) / 2, np.zeros(8, "float32")),
        "y": layer(8, **changed),
        "x": nir.Linear((rng.random((4, 8), "float32") - 0.5) / 2),
        "w": layer(4),
        "output": nir.Output(np.array([4])),
    }
    return nir.NIRGraph(nodes, list(zip(nodes, list(nodes)[1:], strict=False)))


def nodes(file: Any, edges: tuple[tuple[str, str], ...] = (("a", "b"),)) -> Any:
    """The group that holds the nodes, of a graph that is begun."""
    root = file.create_group("node")
    root.create_dataset("type", data="NIRGraph", dtype=TEXT)
    root.create_dataset("edges", data=edges)
    return root.create_group("nodes")


def node(inside: Any, kind: str = "Affine", name: str = "a") -> Any:
    """A node without parameters."""
    made = inside.create_group(name)
    made.create_dataset("type", data=kind, dtype=TEXT)
    return made


def within_itself(file: Any) -> None:
    inside = nodes(file)
    node(inside, "NIRGraph")["nodes"] = inside


def doubling(file: Any) -> None:
    inside = nodes(file)
    for _ in range(40):
        inside["other"] = deeper = node(inside, "NIRGraph")
        inside = deeper.create_group("nodes")


def many(file: Any) -> None:
    inside = nodes(file)
    for number in range(10_001):
        inside[str(number)] = inside.parent["type"]


def hidden_bomb(file: Any) -> None:
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(2000)) + packer.flush()
    made = node(nodes(file)).create_dataset("weight", (1024,), "f4", chunks=(1024,), compression=9)
    made.id.write_direct_chunk((0,), packed)


def virtual(file: Any) -> None:
    layout = h5py.VirtualLayout((4,), "u1")
    layout[:] = h5py.VirtualSource("/etc/hostname", "x", (4,))
    node(nodes(file)).create_virtual_dataset("weight", layout)


def link(to: Any) -> Fill:
    return lambda file: node(nodes(file)).__setitem__("weight", to)


def weight(**how: Any) -> Fill:
    return lambda file: node(nodes(file)).create_dataset("weight", **how)


HOSTILE: dict[str, tuple[Fill, str]] = {
    "a graph within itself": (within_itself, "contains itself"),
    "a graph that doubles": (doubling, "in several places"),
    "many parts": (many, "more than 10,000 parts"),
    "a link within": (link(h5py.SoftLink("/node/type")), "link to another place"),
    "a link to a file": (link(h5py.ExternalLink("/etc/hostname", "/")), "link to another place"),
    "a root elsewhere": (lambda file: file.__setitem__("node", h5py.ExternalLink("/dev/zero", "/")), "link to another"),
    "bytes of another file": (weight(shape=(4,), dtype="u1", external=[("/etc/hostname", 0, 4)]), "in another file"),
    "a view of another file": (virtual, "in another file"),
    "a claim of 4 TB": (weight(shape=(1 << 20, 1 << 20), dtype="f4"), "too many"),
    "a bomb": (weight(data=np.zeros(1 << 25, "f4"), compression=9, chunks=(1 << 20,)), "too many"),
    "a hidden bomb": (hidden_bomb, "does not unpack to its 4,096 bytes"),
    "another packing": (weight(data=np.ones((4, 4)), compression="lzf"), "not with gzip"),
    "another type": (weight(data=np.ones(4, "longdouble")), "unknown type"),
    "a node without a kind": (lambda file: nodes(file).create_group("a"), "no node type"),
    "a node that is none": (lambda file: nodes(file).create_dataset("a", data=3), "'a' is not a node"),
    "a root that is none": (lambda file: file.create_dataset("node", data=3), "'node' is not a node"),
    "no parameter": (lambda file: node(nodes(file)), "without any tensor"),
    "of Keras": (lambda file: file.create_group("model_weights"), "not a NIR graph"),
}


def written(path: Path, fill: Fill) -> Path:
    with h5py.File(path, "w") as file:
        fill(file)
    return path


def endless(path: Path) -> Path:
    """A graph whose heap of texts leads the HDF5 library in a circle (seen with HDF5 1.14)."""
    nir.write(path, graph())
    content = bytearray(path.read_bytes())
    content[content.index(b"NIRGraph") - 8] = 127  # how long the last text is, by its own words
    path.write_bytes(content)
    return path
