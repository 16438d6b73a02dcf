"""The allow-list: the few names of torch and Python that a checkpoint is made of, and what each stands for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from spikecheck.checkpoint.values import ITEM_SIZES, Named, Record, Standin, StorageRef, TensorRef, safe_key
from spikecheck.errors import UnreadableError

MOST_AXES = 64
MOST_COPIED = 1 << 24  # elements that all calls together may copy: a small file could ask for the same list for ever

#: torch's storage classes, by name.
STORAGES: Mapping[str, str] = {
    "BoolStorage": "bool",
    "ByteStorage": "uint8",
    "CharStorage": "int8",
    "ShortStorage": "int16",
    "IntStorage": "int32",
    "LongStorage": "int64",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
    "QUInt8Storage": "quint8",
    "QInt8Storage": "qint8",
    "QInt32Storage": "qint32",
    "UntypedStorage": "uint8",
}
DTYPES = {**{name: name for name in ITEM_SIZES}, "float": "float32", "double": "float64", "half": "float16"}
SCHEMES = ("per_tensor_affine", "per_channel_affine", "per_channel_affine_float_qparams", "strided", "sparse_coo")
BUILTINS = ("builtins", "__builtin__")
PLAIN = {"set", "frozenset", "list", "tuple", "dict", "bytearray", "complex", "slice", "range", "object", "int", "str"}
PLAIN |= {"float", "bool", "bytes"}

#: Names that run commands or code when called. Nothing is called here, whatever the name; a file with one of these is
#: no checkpoint but an attack, and is refused as a whole rather than reported on.
HOSTILE_MODULES = {"os", "posix", "nt", "subprocess", "pty", "sys", "runpy", "importlib", "socket", "shutil", "ctypes"}
HOSTILE_MODULES |= {
    "commands",
    "webbrowser",
    "code",
    "codeop",
    "pdb",
    "bdb",
    "timeit",
    "pip",
    "asyncio",
    "multiprocessing",
}
HOSTILE_NAMES = {"eval", "exec", "execfile", "compile", "open", "__import__", "breakpoint", "input", "globals"}


def hostile(named: Named) -> bool:
    """Would calling it run a command or code of the file's own?"""
    module, name = named.module.partition(".")[0], named.name.partition(".")[0]
    return module in HOSTILE_MODULES or (named.module in BUILTINS and name in HOSTILE_NAMES)


class Rebuilder:
    """Makes what a pickle asks for out of plain values, and writes down every name that is not on the list."""

    def __init__(
        self, records: Callable[[str, str, int], Record], nested: Callable[[bytes], Any] | None = None
    ) -> None:
        self.records = records  # key, dtype, elements -> where the bytes lie
        self.nested = nested  # bytes of a storage that was saved by itself, as plain pickle does
        self.refused: dict[str, None] = {}
        self.copied = 0
        self.inner: dict[int, tuple[bytes, Any]] = {}  # what was nested in the same bytes before

    def name(self, named: Named) -> Named:
        """A name, written down where it is not on the list; UnreadableError where calling it would run commands."""
        if hostile(named):
            raise UnreadableError(f"loading it would run {named}: refused, and nothing of it was run")
        if not known(named):
            self.refused.setdefault(str(named))
        return named

    def call(self, function: Any, args: tuple[Any, ...]) -> Any:
        """What this name makes of these arguments; a stand-in where it is not on the list."""
        if not isinstance(function, Named):
            return Standin("the result of a call", args)
        make = MAKERS.get((function.module.replace("__builtin__", "builtins"), function.name))
        if make is None:
            return Standin(str(function), args)
        if make in COPYING:
            self.copied += sum(len(arg) for arg in args if isinstance(arg, list | tuple | dict | str))
            if self.copied > MOST_COPIED:
                raise UnreadableError("damaged: it copies the same things over and over")
        return make(self, *args)

    def persistent(self, pid: Any) -> Any:
        """The storage that torch's persistent id names: ("storage", class, key, device, elements)."""
        if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] not in ("storage", b"storage"):
            return Standin("a persistent object", (pid,))
        _, kind, key, _, elements, *_ = pid
        if not isinstance(kind, Named) or kind.name not in STORAGES:
            return Standin("a storage of an unknown class", (pid,))
        if not is_count(elements):
            raise UnreadableError("damaged: a storage does not say its size")
        dtype = STORAGES[kind.name]
        return StorageRef(self.records(str(key), dtype, elements), dtype, elements)

    def load_nested(self, content: Any) -> Any:
        """The storage within bytes: what plain `pickle.dump` makes of a tensor."""
        if self.nested is None or not isinstance(content, bytes):
            return Standin("torch.storage._load_from_bytes")
        if id(content) not in self.inner:
            self.inner[id(content)] = content, self.nested(content)
        return self.inner[id(content)][1]


def known(named: Named) -> bool:
    """Is the name on the allow-list?"""
    if named.module in BUILTINS:
        return named.name in PLAIN
    if named.module.startswith("__torch__"):  # a class of TorchScript: its code is never compiled here
        return True
    if (named.module, named.name) in MAKERS:
        return True
    return named.module in ("torch", "torch.storage") and named.name in {*STORAGES, *DTYPES, *SCHEMES}


def is_count(value: Any) -> bool:
    """Is it a whole number from 0 on that a file may hold?"""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 62


def counts(values: Any) -> tuple[int, ...]:
    """A shape or a stride; UnreadableError where it cannot be one."""
    if not isinstance(values, tuple | list) or len(values) > MOST_AXES or not all(map(is_count, values)):
        raise UnreadableError("damaged: the shape of a tensor is no shape")
    return tuple(values)


def tensor(rebuild: Rebuilder, storage: Any, offset: Any, size: Any, stride: Any, *rest: Any) -> Any:
    """A view of a storage, which must not reach beyond it."""
    if not isinstance(storage, StorageRef):
        return Standin("a tensor without a storage", (storage,))
    shape, steps = counts(size), counts(stride)
    if len(shape) != len(steps) or not is_count(offset):
        raise UnreadableError("damaged: the strides of a tensor do not fit its shape")
    last = offset + sum((n - 1) * step for n, step in zip(shape, steps, strict=True)) + 1
    if 0 not in shape and last > storage.elements:
        raise UnreadableError(f"damaged: a tensor reaches to element {last} of a storage of {storage.elements}")
    return TensorRef(storage, offset, shape, steps)


def tensor_v3(
    rebuild: Rebuilder, storage: Any, offset: Any, size: Any, stride: Any, grad: Any, hooks: Any, *rest: Any
) -> Any:
    """A view of bytes, with its element type beside it."""
    dtype = DTYPES.get(rest[0].name) if rest and isinstance(rest[0], Named) else None
    if dtype is None or not isinstance(storage, StorageRef):
        return Standin("a tensor of an unknown type")
    elements = storage.elements * ITEM_SIZES[storage.dtype] // ITEM_SIZES[dtype]
    return tensor(rebuild, StorageRef(storage.record, dtype, elements), offset, size, stride)


def quantized(rebuild: Rebuilder, storage: Any, offset: Any, size: Any, stride: Any, *rest: Any) -> Any:
    """The integers of a quantized tensor."""
    made = tensor(rebuild, storage, offset, size, stride)
    return remarked(made, "quantized: its integers are judged, without their scale")


def sparse(rebuild: Rebuilder, layout: Any, data: Any, *rest: Any) -> Any:
    """The values of a sparse tensor."""
    parts = [part for part in data if isinstance(part, TensorRef)] if isinstance(data, tuple) else []
    return remarked(parts[-1], "sparse: its values are judged") if parts else Standin("a sparse tensor")


def meta(rebuild: Rebuilder, dtype: Any, size: Any, stride: Any, *rest: Any) -> Any:
    """A tensor without values."""
    name = DTYPES.get(dtype.name, "float32") if isinstance(dtype, Named) else "float32"
    return TensorRef(StorageRef(None, name, 0), 0, counts(size), counts(stride), "on meta: it has no values")


def remarked(made: Any, remark: str) -> Any:
    """The tensor with a remark."""
    if not isinstance(made, TensorRef):
        return made
    return TensorRef(made.storage, made.offset, made.shape, made.stride, remark)


def parameter(rebuild: Rebuilder, data: Any = None, *rest: Any) -> Any:
    """The tensor of a parameter."""
    return data


def typed(rebuild: Rebuilder, function: Any, kind: Any, args: Any, state: Any = None) -> Any:
    """A tensor of a subclass, or with attributes: what the inner function makes."""
    return rebuild.call(function, args) if isinstance(args, tuple) else Standin("a tensor of a subclass")


def mapping(rebuild: Rebuilder, *args: Any) -> dict[Any, Any]:
    """A dict of any kind, from pairs or empty."""
    pairs = args[0] if args and isinstance(args[0], list | tuple) else ()
    made = {safe_key(pair[0]): pair[1] for pair in pairs if isinstance(pair, list | tuple) and len(pair) == 2}
    if args and isinstance(args[0], dict):
        made.update(args[0])
    return made


def default(rebuild: Rebuilder, factory: Any = None, *args: Any) -> Any:
    """A dict with a factory for what is not there, which is dropped."""
    return mapping(rebuild, *args)


def listing(rebuild: Rebuilder, *args: Any) -> list[Any]:
    """A list or set, as a list."""
    return list(args[0]) if args and isinstance(args[0], list | tuple) else []


def row(rebuild: Rebuilder, *args: Any) -> tuple[Any, ...]:
    """A tuple or a torch.Size."""
    return tuple(listing(rebuild, *args))


def encoded(rebuild: Rebuilder, text: Any = "", *rest: Any) -> Any:
    """Bytes, as protocol 2 writes them: text in latin-1."""
    return text.encode("latin-1", "replace") if isinstance(text, str) else Standin("_codecs.encode")


def new_instance(rebuild: Rebuilder, cls: Any = None, *rest: Any) -> Any:
    """An object without its state: what `object.__reduce_ex__` writes."""
    return Standin(str(cls)) if isinstance(cls, Named) else Standin("an object")


def inert(rebuild: Rebuilder, *args: Any) -> Any:
    """A value that matters to nobody here: a device, a layout, a version."""
    return Standin("a plain value", args)


Maker = Callable[..., Any]
COPYING: tuple[Maker, ...] = (mapping, default, listing, row, encoded)
MAKERS: Mapping[tuple[str, str], Maker] = {
    ("collections", "OrderedDict"): mapping,
    ("collections", "Counter"): mapping,
    ("collections", "defaultdict"): default,
    ("builtins", "dict"): mapping,
    ("builtins", "list"): listing,
    ("builtins", "set"): listing,
    ("builtins", "frozenset"): listing,
    ("builtins", "tuple"): row,
    ("builtins", "bytearray"): encoded,
    ("_codecs", "encode"): encoded,
    ("copyreg", "_reconstructor"): new_instance,
    ("copy_reg", "_reconstructor"): new_instance,
    ("torch", "Size"): row,
    ("torch", "device"): inert,
    ("torch.serialization", "_get_layout"): inert,
    ("torch.torch_version", "TorchVersion"): inert,
    ("torch", "Tensor"): inert,
    ("torch.nn.parameter", "Parameter"): parameter,
    ("torch.nn.parameter", "Buffer"): parameter,
    ("torch._utils", "_rebuild_tensor"): tensor,
    ("torch._utils", "_rebuild_tensor_v2"): tensor,
    ("torch._utils", "_rebuild_tensor_v3"): tensor_v3,
    ("torch._utils", "_rebuild_parameter"): parameter,
    ("torch._utils", "_rebuild_parameter_with_state"): parameter,
    ("torch._utils", "_rebuild_qtensor"): quantized,
    ("torch._utils", "_rebuild_sparse_tensor"): sparse,
    ("torch._utils", "_rebuild_meta_tensor_no_storage"): meta,
    ("torch._tensor", "_rebuild_from_type_v2"): typed,
    ("torch.storage", "_load_from_bytes"): lambda rebuild, content=None, *rest: rebuild.load_nested(content),
    **{("torch.jit._pickle", f"build_{kind}list"): listing for kind in ("int", "double", "bool")},
    ("torch.jit._pickle", "build_tensorlist"): listing,
    ("torch.jit._pickle", "restore_type_tag"): parameter,
}
