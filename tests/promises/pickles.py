"""Write pickles and files of torch.save operation by operation: what no library writes, and a reader must survive."""

from __future__ import annotations

import json
import math
import struct
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Bytes = Mapping[str, bytes]
MARK = b"("


def text(value: str) -> bytes:
    """Push a text."""
    content = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(content)) + content


def integer(value: int) -> bytes:
    """Push an integer."""
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    content = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(content)]) + content


def several(*values: bytes) -> bytes:
    """Push a tuple."""
    return MARK + b"".join(values) + b"t"


def items(*pairs: tuple[bytes, bytes]) -> bytes:
    """Push a dictionary."""
    return b"}" + MARK + b"".join(key + value for key, value in pairs) + b"u"


def listed(*values: bytes) -> bytes:
    """Push a list."""
    return b"]" + MARK + b"".join(values) + b"e"


def named(path: str) -> bytes:
    """Push a global."""
    module, _, name = path.rpartition(".")
    return f"c{module}\n{name}\n".encode()


def called(path: str, *args: bytes) -> bytes:
    """Push the result of a call."""
    return named(path) + several(*args) + b"R"


def storage(key: bytes, elements: int = 4, kind: str = "FloatStorage", *more: bytes) -> bytes:
    """Push a storage by its persistent id."""
    return several(text("storage"), named(f"torch.{kind}"), key, text("cpu"), integer(elements), *more) + b"Q"


def tensor(key: str = "good", kind: str = "FloatStorage", elements: int = 4) -> bytes:
    """Push a tensor over a whole storage, as a vector."""
    of = storage(text(key), elements, kind)
    shape = several(integer(elements)), several(integer(1))
    return called("torch._utils._rebuild_tensor_v2", of, integer(0), *shape, b"\x89", called("collections.OrderedDict"))


def whole(content: bytes) -> bytes:
    """Return a pickle of protocol 2."""
    return b"\x80\x02" + content + b"."


STORAGES: Bytes = {"good": struct.pack("<4f", 0.1, -0.2, 0.3, 0.4), "bad": struct.pack("<4f", math.nan, 1, 2, 3)}


def save(path: Path, content: bytes, storages: Bytes = STORAGES, **zipped: Any) -> Path:
    """Write a file as torch.save does, with this object in it."""
    with zipfile.ZipFile(path, "w", **zipped) as archive:
        archive.writestr("archive/data.pkl", whole(content))
        archive.writestr("archive/byteorder", b"little")
        for key, values in storages.items():
            archive.writestr(f"archive/data/{key}", values)
        archive.writestr("archive/version", b"3\n")
    return path


def safetensors(path: Path, header: dict[str, Any] | str, content: bytes = STORAGES["good"]) -> Path:
    """Write a file of safetensors with this header, valid or not."""
    described = (header if isinstance(header, str) else json.dumps(header)).encode()
    path.write_bytes(struct.pack("<Q", len(described)) + described + content)
    return path


def nested(depth: int, inner: bytes) -> bytes:
    """Push dictionaries, each the only value of the next."""
    return (b"}" + text("m")) * depth + inner + b"s" * depth


GOOD, BAD = tensor("good"), tensor("bad")
OPTIMIZER = ((text("state"), items()), (text("param_groups"), listed()))
#: Objects with a NaN that torch.load returns: each must be found, or the file refused.
HIDDEN: dict[str, bytes] = {
    "tuples as keys": items((several(integer(0), integer(1)), GOOD), (several(integer(1), integer(2)), BAD)),
    "bytes as keys": items((b"B\x01\0\0\0a", GOOD), (b"B\x01\0\0\0b", BAD)),
    "a text beside a number": items((text("1"), GOOD), (integer(1), BAD)),
    "a dot in a key": items((text("a.b"), BAD), (text("a"), items((text("b"), GOOD)))),
    "a dot in a key, second": items((text("a"), items((text("b"), GOOD))), (text("a.b"), BAD)),
    "the dictionary of a module": items(
        (text("a"), items((text("_parameters"), items((text("w"), GOOD))), (text("w"), BAD)))
    ),
    "parameters beside buffers": items(
        (
            text("a"),
            items((text("_parameters"), items((text("w"), GOOD))), (text("_buffers"), items((text("w"), BAD)))),
        )
    ),
    "wrappers": items((text("_orig_mod.w"), GOOD), (text("w"), BAD)),
    "very deep": items((text("a"), nested(45, GOOD)), (text("b"), nested(45, BAD))),
    "very deep, alike": items((text("a"), nested(90, GOOD)), (text("a "), nested(91, BAD))),
    "long names": items((text("p" * 300 + "1" + "s" * 300), GOOD), (text("p" * 300 + "2" + "s" * 300), BAD)),
    "beside an optimizer": items(
        (text("net"), items(*OPTIMIZER, (text("fc.weight"), BAD))), (text("a"), items((text("w"), GOOD)))
    ),
    "in an optimizer's group": items(
        (text("w"), GOOD), (text("o"), items((text("state"), items()), (text("param_groups"), listed(BAD))))
    ),
    "in the state of no parameter": items(
        (text("w"), GOOD),
        (
            text("o"),
            items((text("state"), items((integer(7), items((text("m"), BAD))))), (text("param_groups"), listed())),
        ),
    ),
    "a counter of updates": items(
        (text("w"), GOOD),
        (
            text("o"),
            items(
                (text("state"), items((integer(0), items((text("step"), BAD))))),
                (text("param_groups"), listed(items((text("params"), listed(integer(0)))))),
            ),
        ),
    ),
    "beside the model": items((text("model"), items((text("w"), GOOD))), (text("w"), BAD)),
    "complex, beside the model": items(
        (text("model"), items((text("w"), GOOD))), (text("c"), tensor("bad", "ComplexFloatStorage", 2))
    ),
    "like evidence": items(
        (text("w"), GOOD), (text("x"), items((text("format"), text("spikecheck evidence")), (text("w"), BAD)))
    ),
    "a tensor as a key": items((text("w"), GOOD), (BAD, integer(1))),
    "an attribute of a dictionary": items((text("w"), GOOD)) + items((text("_metadata"), BAD)) + b"b",
    "a list": listed(GOOD, BAD),
    "a storage beside a tensor": items((text("w"), GOOD), (text("s"), storage(text("bad")))),
    "a storage in a list": listed(GOOD, storage(text("bad"))),
    "a storage as a key": items((text("w"), GOOD), (storage(text("bad")), integer(1))),
    "an item that is set": GOOD + integer(0) + b"G" + struct.pack(">d", math.nan) + b"s",
    "a tensor that is built again": GOOD
    + several(storage(text("bad")), integer(0), several(integer(4)), several(integer(1)))
    + b"b",
    "a storage of two types": items((text("i"), tensor("bad", "IntStorage")), (text("w"), BAD)),
    "a storage of two types, second": items((text("w"), BAD), (text("i"), tensor("bad", "IntStorage"))),
}


def hidden(folder: Path) -> Iterator[tuple[str, Path]]:
    """Write each object of HIDDEN, and archives that readers take for different things."""
    for number, (name, content) in enumerate(HIDDEN.items()):
        yield name, save(folder / f"hidden{number}.pt", content)
    good, bad = (save(folder / f"{name}.pt", items((text("w"), tensor(name)))) for name in ("good", "bad"))
    for name, content in {
        "two archives": bad.read_bytes() + good.read_bytes(),
        "bytes before an archive": b"PK\x03\x04" + bytes(60) + good.read_bytes(),
        "bytes behind an archive": good.read_bytes() + bytes(60),
    }.items():
        path = folder / f"{name}.pt".replace(" ", "_")
        path.write_bytes(content)
        yield name, path
    for name, keys in {
        "names in both cases": ("data/W", "data/w"),
        "two folders": ("data/w", "../other/data/w"),
    }.items():
        path = folder / f"{name}.pt".replace(" ", "_")
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", whole(items((text("w"), tensor("w")))))
            for key, values in zip(keys, STORAGES.values(), strict=True):
                archive.writestr(f"archive/{key}", values)
        yield name, path
    entry = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}
    twice = json.dumps({"w": entry})[:-1] + ', "w": ' + json.dumps(entry) + "}"
    yield "a header that names a tensor twice", safetensors(folder / "twice.safetensors", twice, STORAGES["bad"])


def laborious(folder: Path) -> Iterator[tuple[str, Path]]:
    """Write small files that ask for much work or memory."""
    yield "a key that doubles", save(folder / "doubles.pt", items((text("w"), tensor_at(b")" + b"2\x86" * 40))))
    deep = items((text("w"), tensor_at(b")" + b"\x85" * 3000)))
    yield "a deep key of a storage", save(folder / "deep_key.pt", deep)
    wide = b"}q\0" + MARK + b"K\x01" * 20_000 + b"tq\x010" + b"h\x01Ns" * 20_000
    yield "a wide key, again and again", save(folder / "wide.pt", wide)
    long = "p" * 150
    alike = items(*((text(f"{long}{number:06}{long}"), GOOD) for number in range(8000)))
    yield "names that are alike", save(folder / "alike.pt", alike)
    empty = MARK + b"}" * 9_000_000 + b"l"
    yield "millions of dictionaries", save(folder / "empty.pt", empty, compression=zipfile.ZIP_DEFLATED)
    rebuilt = several(named("collections.OrderedDict"), named("torch.Tensor"), several(), b"N")
    for _ in range(3000):
        typed = named("torch._tensor._rebuild_from_type_v2")
        rebuilt = MARK + typed + named("torch.Tensor") + rebuilt + b"Nt"
    yield "calls in calls", save(folder / "calls.pt", items((text("w"), typed + rebuilt + b"R")))
    group = items((text("params"), listed(*(integer(n) for n in range(3000)))))
    groups = b"](" + group + b"q\x01" + b"h\x01" * 3000 + b"e"
    optimizer = items((text("state"), items()), (text("param_groups"), groups))
    yield "groups of an optimizer", save(folder / "groups.pt", items((text("w"), GOOD), (text("o"), optimizer)))
    many = items(*((text(f"l{number}.w"), GOOD) for number in range(15_000)))
    yield "more tensors than are read", save(folder / "many.pt", many, compression=zipfile.ZIP_DEFLATED)
    layers = items(
        *((text(f"lif{n}.{leaf}"), GOOD) for n in range(3000) for leaf in ("threshold", "beta")),
        *((text(f"fc{n}.weight"), GOOD) for n in range(3000)),
    )
    yield "thousands of layers", save(folder / "layers.pt", layers, compression=zipfile.ZIP_DEFLATED)
    values = {f"s{number}": struct.pack("<4f", *range(4)) for number in range(9_000)}
    own = items(*((text(f"l{key}.w"), tensor(key)) for key in values))
    yield "thousands of storages", save(folder / "storages.pt", own, values)
    squeezed: dict[str, Any] = {"compression": zipfile.ZIP_DEFLATED}
    lines = (b"V" + b"x" * 60_000 + b"\n0") * 270 + GOOD
    yield "lines of text", save(folder / "lines.pt", lines, **squeezed)
    bytes_ = {f"k{number}": bytes(1 << 20) for number in range(30)}
    for name, shape, stride in (
        ("overlapping views", (4000, 4000), (1, 1)),
        ("a row per byte", (1 << 20, 1), (1, 1)),
        ("many vectors", (1 << 18,), (1,)),
        ("a million rows of one value", (1 << 20, 2), (0, 0)),
    ):
        views = [view(key, shape, stride, offset) for key in bytes_ for offset in range(1, 40 if len(shape) < 2 else 4)]
        content = listed(*views)
        path = folder / f"{name}.pt".replace(" ", "_")
        yield name, save(path, content, {key: value + bytes(64) for key, value in bytes_.items()}, **squeezed)


def view(key: str, shape: tuple[int, ...], stride: tuple[int, ...], offset: int) -> bytes:
    """Push a tensor of bytes, as a view of a storage of 1 MiB and 64 bytes."""
    of = storage(text(key), (1 << 20) + 64, "CharStorage")
    place = integer(offset), several(*map(integer, shape)), several(*map(integer, stride))
    return called("torch._utils._rebuild_tensor_v2", of, *place, b"\x89", called("collections.OrderedDict"))


def tensor_at(key: bytes) -> bytes:
    """Push a tensor whose storage has this key."""
    shape = several(integer(4)), several(integer(1))
    rest = (*shape, b"\x89", called("collections.OrderedDict"))
    return called("torch._utils._rebuild_tensor_v2", storage(key), integer(0), *rest)


def odd(folder: Path) -> Iterator[tuple[str, Path]]:
    """Write files whose parts have types that nobody expects."""
    entry = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}
    for number, name in enumerate(
        ["lif.\u202ex.w", "lif\\d.weight", "a\nb.w", "\ud800.w", "\x1b]0;x\x07.w", "w" * 3_000_000]
    ):
        yield f"name {number}", safetensors(folder / f"name{number}.safetensors", {name: entry}, STORAGES["bad"])
    yield "a type that is a list", safetensors(folder / "type.safetensors", {"w": {**entry, "dtype": ["F32"]}})
    surrogate = {"w": entry, "__metadata__": {"spikecheck": "\ud800"}}
    yield "half a character as evidence", safetensors(folder / "half.safetensors", surrogate)
    for name, step, parameter in (
        ("a list as a parameter", integer(3), listed()),
        ("a step of 10 to the 400", integer(10**400), integer(0)),
    ):
        state = items((integer(0), items((text("step"), step), (text("exp_avg"), GOOD))))
        groups = listed(items((text("params"), listed(parameter))))
        optimizer = items((text("state"), state), (text("param_groups"), groups))
        path = folder / f"{name}.pt".replace(" ", "_")
        yield name, save(path, items((text("model"), items((text("w"), GOOD))), (text("o"), optimizer)))
    lists = '{"w": ' + json.dumps(entry) + ', "x": [' + "[], " * 2_000_000 + "[]]}"
    yield "millions of lists", safetensors(folder / "lists.safetensors", lists)
