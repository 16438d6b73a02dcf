"""The allow-list: the globals of torch and Python that a checkpoint is made of, and what each stands for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

from spikecheck.checkpoint.budget import Budget
from spikecheck.checkpoint.harmless import is_harmless
from spikecheck.checkpoint.values import ITEM_SIZES, GlobalName, Record, Standin, StorageRef, TensorRef, safe_key
from spikecheck.errors import UnreadableError
from spikecheck.outside_text import safe

MAX_AXES = 64

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

#: Globals that run commands or code when called. Nothing is called here, whatever the name; a file with one of these
#: is an attack rather than a checkpoint, and is refused as a whole.
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


def is_hostile(named: GlobalName) -> bool:
    """Return whether calling it would run a command, or code in the file."""
    module, name = named.module.partition(".")[0], named.name.partition(".")[0]
    return module in HOSTILE_MODULES or (named.module in BUILTINS and name in HOSTILE_NAMES)


CONTAINERS = (dict, list, tuple, Standin, TensorRef, StorageRef)


class Rebuilder:
    """Build what a pickle describes from plain values, and note every global that is not on the allow-list.

    `refused` are the globals whose objects were not loaded. `executable` are those of them that `pickle.load` would
    import or, if True, call with arguments from the file, without those that are known to be harmless. `aside` holds
    what torch keeps in attributes of tensors and dictionaries.
    """

    def __init__(
        self,
        records: Callable[[str, str, int], Record],
        nested: Callable[[bytes, Budget], Any] | None = None,
        budget: Budget | None = None,
        *,
        legacy: bool = False,
        script: bool = False,
    ) -> None:
        self.records = records  # key, dtype, elements -> where the bytes lie
        self.nested = nested  # bytes of a storage that was saved by itself, as plain pickle does
        self.budget = Budget() if budget is None else budget
        self.pid_size = 6 if legacy else 5
        self.script = script  # whether it is TorchScript, which has classes of its own
        self.refused: dict[str, None] = {}
        self.executable: dict[str, bool] = {}
        self.aside: list[Any] = []
        self.inner: dict[int, tuple[bytes, Any]] = {}  # what was nested in the same bytes before

    def name(self, named: GlobalName) -> GlobalName:
        """Return a global, noted if it is not on the allow-list; UnreadableError if calling it would run commands."""
        if is_hostile(named):
            raise UnreadableError(f"refused: loading it would run {named}; nothing was run")
        if not (is_allowed(named) or (self.script and named.module.split(".")[0] == "__torch__")):
            self.refused.setdefault(safe(str(named)))
            if not is_harmless(named.module, named.name):
                self.executable.setdefault(safe(str(named)), False)
        return named

    def call(self, function: Any, args: tuple[Any, ...]) -> Any:
        """Return what this global makes of these arguments; a stand-in if it is not on the allow-list."""
        if not isinstance(function, GlobalName):
            return Standin("the result of a call", args)
        make = MAKERS.get((function.module.replace("__builtin__", "builtins"), function.name))
        if make is None:
            if not self.note_call(function):  # what a harmless function is given, it may call
                for arg in args:
                    self.note_call(arg)
            return Standin(str(function), args)
        if make in COPYING:
            self.budget.spend_nodes(sum(len(arg) for arg in args if isinstance(arg, list | tuple | dict | str)))
        return make(self, *args)

    def note_call(self, function: Any) -> bool:
        """Note that a global would be called; return whether it is one of those that are not known to be harmless."""
        name = safe(str(function)) if isinstance(function, GlobalName) else ""
        if name in self.executable:
            self.executable[name] = True
        return name in self.executable

    def create(self, cls: Any, args: tuple[Any, ...]) -> Any:
        """Return a new object of this class; only the name of a function makes it a call."""
        if isinstance(cls, GlobalName) and (cls.module, cls.name) not in MAKERS and looks_like_class(cls):
            return Standin(str(cls), args)
        return self.call(cls, args)

    def persistent(self, pid: Any) -> Any:
        """Return the storage of torch's persistent id: ("storage", class, key, device, elements)."""
        if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] not in ("storage", b"storage"):
            return Standin("a persistent object", (pid,))
        _, kind, key, _, elements, *view = pid
        if not isinstance(kind, GlobalName) or kind.name not in STORAGES:
            return Standin("a storage of an unknown class", (pid,))
        if not is_count(elements):
            raise UnreadableError("damaged: a storage has no valid size")
        if not isinstance(key, str):
            raise UnreadableError("damaged: the key of a storage is not text")
        if len(pid) > self.pid_size or any(part is not None for part in view):
            raise UnreadableError("written by torch before 0.4: load it with torch and save it again")
        dtype = STORAGES[kind.name]
        return StorageRef(self.records(key, dtype, elements), dtype, elements)

    def set_aside(self, *objects: Any) -> None:
        """Keep objects that belong to no container, since they may hold tensors, or be filled with some later."""
        self.aside += [one for one in objects if isinstance(one, CONTAINERS)]

    def load_nested(self, content: Any) -> Any:
        """Return the storage inside bytes, as plain `pickle.dump` writes a tensor."""
        if self.nested is None or not isinstance(content, bytes):
            return Standin("torch.storage._load_from_bytes")
        if id(content) not in self.inner:
            self.inner[id(content)] = content, self.nested(content, self.budget)
        return self.inner[id(content)][1]


def looks_like_class(named: GlobalName) -> bool:
    """Return whether the name is written like that of a class."""
    return named.name.rpartition(".")[2].lstrip("_")[:1].isupper()


def is_allowed(named: GlobalName) -> bool:
    """Return whether the global is on the allow-list."""
    if named.module in BUILTINS:
        return named.name in PLAIN
    if (named.module, named.name) in MAKERS:
        return True
    return named.module in ("torch", "torch.storage") and named.name in {*STORAGES, *DTYPES, *SCHEMES}


def is_count(value: Any) -> bool:
    """Return whether it is a non-negative integer of a plausible size."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 62


def counts(values: Any) -> tuple[int, ...]:
    """Return a shape or strides; UnreadableError where it cannot be any."""
    if not isinstance(values, tuple | list) or len(values) > MAX_AXES or not all(map(is_count, values)):
        raise UnreadableError("damaged: a tensor has an invalid shape")
    return tuple(values)


def tensor(rebuild: Rebuilder, storage: Any, offset: Any, size: Any, stride: Any, *rest: Any) -> Any:
    """Return a view of a storage, which must not extend beyond it."""
    if not isinstance(storage, StorageRef):
        raise UnreadableError("damaged: a tensor has no storage")
    rebuild.set_aside(*rest)
    shape, steps = counts(size), counts(stride)
    if len(shape) != len(steps) or not is_count(offset):
        raise UnreadableError("damaged: the strides of a tensor do not match its shape")
    last = offset + sum((n - 1) * step for n, step in zip(shape, steps, strict=True)) + 1
    if 0 not in shape and last > storage.elements:
        raise UnreadableError(f"damaged: a tensor extends to element {last:,} of a storage of {storage.elements:,}")
    return TensorRef(storage, offset, shape, steps)


def tensor_v3(
    rebuild: Rebuilder, storage: Any, offset: Any, size: Any, stride: Any, grad: Any, hooks: Any, *rest: Any
) -> Any:
    """Return a view of bytes, whose element type is given."""
    kind = rest[0].name if rest and isinstance(rest[0], GlobalName) else ""
    dtype = DTYPES.get(kind)
    if dtype is None or not isinstance(storage, StorageRef):
        raise UnreadableError(f"a tensor has a type that spikecheck does not know: {safe(kind) or 'none is given'}")
    elements = storage.elements * ITEM_SIZES[storage.dtype] // ITEM_SIZES[dtype]
    typed_storage = StorageRef(storage.record, dtype, elements)
    return tensor(rebuild, typed_storage, offset, size, stride, grad, hooks, *rest[1:])


def quantized(rebuild: Rebuilder, storage: Any, offset: Any, size: Any, stride: Any, *rest: Any) -> Any:
    """Return the integers of a quantized tensor; scales that are tensors are tensors of the file."""
    made = tensor(rebuild, storage, offset, size, stride)
    rebuild.set_aside(*rest)
    scale = rest[0][1] if rest and isinstance(rest[0], tuple) and len(rest[0]) > 1 else None
    if isinstance(scale, float) and not isfinite(scale):
        raise UnreadableError("the scale of a quantized tensor is NaN or infinite, and so are all of its values")
    return remarked(made, "quantized: the integers were checked, without their scale")


def sparse(rebuild: Rebuilder, layout: Any, data: Any, *rest: Any) -> Any:
    """Return the values of a sparse tensor."""
    parts = [part for part in data if isinstance(part, TensorRef)] if isinstance(data, tuple) else []
    rebuild.set_aside(*parts[:-1])
    if not parts:
        raise UnreadableError("damaged: a sparse tensor has no values")
    return remarked(parts[-1], "sparse: the stored values were checked")


def meta(rebuild: Rebuilder, dtype: Any, size: Any, stride: Any, *rest: Any) -> Any:
    """Return a tensor without values."""
    name = DTYPES.get(dtype.name, "float32") if isinstance(dtype, GlobalName) else "float32"
    return TensorRef(StorageRef(None, name, 0), 0, counts(size), counts(stride), "on the meta device: it has no values")


def remarked(made: Any, remark: str) -> Any:
    """Return the tensor with a remark."""
    if not isinstance(made, TensorRef):
        return made
    return TensorRef(made.storage, made.offset, made.shape, made.stride, remark)


def parameter(rebuild: Rebuilder, data: Any = None, *rest: Any) -> Any:
    """Return the tensor of a parameter; its attributes may hold tensors."""
    rebuild.set_aside(*rest)
    return data


def typed(rebuild: Rebuilder, function: Any, kind: Any = None, args: Any = None, state: Any = None) -> Any:
    """Return a tensor of a subclass, or with attributes, as the inner function makes it."""
    nested = isinstance(function, GlobalName) and MAKERS.get((function.module, function.name)) is typed
    if nested or not isinstance(args, tuple):
        raise UnreadableError("damaged: a tensor of a subclass is not described as torch describes one")
    rebuild.set_aside(state)
    return rebuild.call(function, args)


def mapping(rebuild: Rebuilder, *args: Any) -> Any:
    """Return a dict of any class, from pairs or empty; a stand-in if Python would read the arguments in another way."""
    first = args[0] if args else ()
    if isinstance(first, dict):
        return dict(first)
    if not isinstance(first, list | tuple) or not all(isinstance(p, list | tuple) and len(p) == 2 for p in first):
        return Standin("a dictionary", args)
    return {safe_key(key): value for key, value in first}


def counter(rebuild: Rebuilder, *args: Any) -> Any:
    """Return the dict of a Counter, which counts what it is given unless that is a dict."""
    return mapping(rebuild, *args) if not args or isinstance(args[0], dict) else Standin("a counter", args)


def default(rebuild: Rebuilder, factory: Any = None, *args: Any) -> Any:
    """Return a dict without its default factory."""
    rebuild.set_aside(factory)
    return mapping(rebuild, *args)


def listing(rebuild: Rebuilder, *args: Any) -> Any:
    """Return a list or a set as a list."""
    if args and not isinstance(args[0], list | tuple):
        return Standin("a list", args)
    return list(args[0]) if args else []


def row(rebuild: Rebuilder, *args: Any) -> Any:
    """Return a tuple or a torch.Size as a tuple."""
    made = listing(rebuild, *args)
    return tuple(made) if isinstance(made, list) else made


def encoded(rebuild: Rebuilder, text: Any = "", *rest: Any) -> Any:
    """Return bytes, which protocol 2 writes as text in latin-1."""
    return text.encode("latin-1", "replace") if isinstance(text, str) else Standin("_codecs.encode")


def new_instance(rebuild: Rebuilder, cls: Any = None, *rest: Any) -> Any:
    """Return a stand-in for an object without its state, as `object.__reduce_ex__` writes it.

    Python calls the constructor of a base that is not `object`.
    """
    base = rest[0] if rest else None
    if isinstance(base, GlobalName) and (base.module.replace("__builtin__", "builtins"), base.name) != OBJECT:
        rebuild.note_call(base)
        rebuild.note_call(cls)
    if isinstance(cls, GlobalName) and (cls.module, cls.name) not in MAKERS:
        return rebuild.create(cls, rest)
    return Standin("an object", (cls, *rest))


def inert(rebuild: Rebuilder, *args: Any) -> Any:
    """Return a stand-in for a value that no check needs: a device, a layout, a version."""
    return Standin("a plain value", args)


OBJECT = ("builtins", "object")
Maker = Callable[..., Any]
COPYING: tuple[Maker, ...] = (mapping, counter, default, listing, row, encoded)
MAKERS: Mapping[tuple[str, str], Maker] = {
    ("collections", "OrderedDict"): mapping,
    ("collections", "Counter"): counter,
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
    ("copyreg", "__newobj__"): new_instance,
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
