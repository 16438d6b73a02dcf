"""Files that would run something when loaded: every one touches a canary, and does nothing else."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

CALLS = {  # callable -> how to make it touch the canary
    "posix.system": lambda canary: (f"touch {canary}",),
    "os.system": lambda canary: (f"touch {canary}",),
    "nt.system": lambda canary: (f"touch {canary}",),
    "os.popen": lambda canary: (f"touch {canary}",),
    "os.mkdir": lambda canary: (canary,),
    "subprocess.Popen": lambda canary: (["touch", canary],),
    "subprocess.check_output": lambda canary: (["touch", canary],),
    "pty.spawn": lambda canary: (["touch", canary],),
    "builtins.eval": lambda canary: (f"open({canary!r}, 'w')",),
    "builtins.exec": lambda canary: (f"open({canary!r}, 'w')",),
    "builtins.open": lambda canary: (canary, "w"),
    "__builtin__.eval": lambda canary: (f"open({canary!r}, 'w')",),
    "builtins.__import__": lambda canary: ("antigravity",),
    "shutil.copy": lambda canary: ("/etc/hostname", canary),
    "runpy.run_path": lambda canary: (canary,),
    "timeit.timeit": lambda canary: (f"open({canary!r}, 'w')",),
    "webbrowser.open": lambda canary: (canary,),
    "importlib.import_module": lambda canary: ("antigravity",),
    "ctypes.CDLL": lambda canary: (canary,),
    "code.interact": lambda canary: (),
}
QUIET = {  # not known to be harmful: a stand-in takes their place, and what is beside them is read
    "pathlib.Path.touch": lambda canary: (canary,),
    "io.open": lambda canary: (canary, "w"),
    "_io.open": lambda canary: (canary, "w"),
    "_io.FileIO": lambda canary: (canary, "w"),
    "cProfile.run": lambda canary: (f"open({canary!r}, 'w')",),
    "pickle.loads": lambda canary: (b"cposix\nsystem\n(S'touch %s'\ntR." % canary.encode(),),
    "torch.load": lambda canary: (canary,),
    "torch.hub.load": lambda canary: (canary, "x"),
    "torch.save": lambda canary: (1, canary),
    "builtins.getattr": lambda canary: ("x", "y"),
    "operator.methodcaller": lambda canary: ("system", canary),
    "functools.partial": lambda canary: (print, canary),
    "numpy.load": lambda canary: (canary,),
    "logging.FileHandler": lambda canary: (canary,),
    "tempfile.mkdtemp": lambda canary: (None, None, canary),
    "sqlite3.connect": lambda canary: (canary,),
    "doctest.debug_script": lambda canary: (f"open({canary!r}, 'w')",),
}


def weights() -> dict[str, torch.Tensor]:
    """The state of a tiny network."""
    return {"fc1.weight": torch.linspace(-0.3, 0.31, 128).view(8, 16), "fc1.bias": torch.zeros(8)}


def text(value: Any) -> bytes:
    """A plain value in the operations of protocol 2, without the end."""
    return pickle.dumps(value, protocol=2)[2:-1].replace(b"q\x00", b"").replace(b"q\x01", b"").replace(b"q\x02", b"")


def call(name: str, args: tuple[Any, ...], how: str) -> bytes:
    """The operations that call a global, in one of the ways that a pickle has."""
    module, _, function = name.rpartition(".")
    if module == "pathlib.Path":
        module, function = "pathlib", "Path.touch"
    plain = [value if isinstance(value, str | bytes | int | list) or value is None else "x" for value in args]
    tuple_ = b"(" + b"".join(map(text, plain)) + b"t"
    named = f"c{module}\n{function}\n".encode()
    stacked = text(module) + text(function) + b"\x93"
    return {
        "reduce": named + tuple_ + b"R",
        "stack": stacked + tuple_ + b"R",
        "object": b"(" + named + b"".join(map(text, plain)) + b"o",
        "instance": b"(" + b"".join(map(text, plain)) + f"i{module}\n{function}\n".encode(),
        "new": named + tuple_ + b"\x81",
        "new with keywords": named + tuple_ + b"}\x92",
        "build": named + tuple_ + b"R" + text({"a": 1}) + b"b",
        "persistent": named + tuple_ + b"RQ",
    }[how]


WAYS = ("reduce", "stack", "object", "instance", "new", "new with keywords", "build", "persistent")


def beside(operations: bytes, protocol: bytes = b"\x80\x04") -> bytes:
    """A dict that holds what the operations make, and a number."""
    return protocol + b"}(" + text("payload") + operations + text("epoch") + b"K\x03u."


def in_zip(path: Path, operations: bytes) -> None:
    """A file of torch.save with tensors, whose pickle was given one more entry."""
    made = io.BytesIO()
    torch.save(weights(), made)
    with zipfile.ZipFile(made) as old, zipfile.ZipFile(path, "w") as new:
        for info in old.infolist():
            content = old.read(info)
            if info.filename.endswith("data.pkl"):
                content = content[:-1] + text("payload") + operations + b"s."
            new.writestr(info.filename, content)


def in_legacy(path: Path, operations: bytes) -> None:
    """The same in the format of torch before 1.6."""
    made = io.BytesIO()
    torch.save(weights(), made, _use_new_zipfile_serialization=False)
    content = made.getvalue()
    made.seek(0)
    for _ in range(4):
        pickle_end = skipped(made)
    path.write_bytes(content[: pickle_end - 1] + text("payload") + operations + b"s." + content[pickle_end:])


def skipped(file: io.BytesIO) -> int:
    """Where the pickle at the file's place ends."""
    import pickletools

    for _ in pickletools.genops(file):
        pass
    return file.tell()


def attacks(folder: Path, canary: Path) -> Iterator[tuple[str, Path, str, bool]]:
    """Name, path, the global it names, and whether the file is refused as a whole (else its tensors are read)."""
    number = 0
    for name, args in {**CALLS, **QUIET}.items():
        for form in ("zip", "legacy", "pickle"):
            number += 1
            path = folder / f"attack{number}.pt"
            operations = call(name, args(str(canary)), WAYS[number % len(WAYS)] if form == "pickle" else "reduce")
            if form == "pickle":
                path.write_bytes(beside(operations))
            else:
                {"zip": in_zip, "legacy": in_legacy}[form](path, operations)
            yield f"{name} in {form}", path, name, name in CALLS or form == "pickle"
    for way in WAYS:
        for form, write in (("zip", in_zip), ("legacy", in_legacy)):
            path = folder / f"{way}_{form}.pt".replace(" ", "_")
            write(path, call("posix.system", (f"touch {canary}",), way))
            yield f"by {way} in {form}", path, "posix.system", True
    for protocol in range(6):
        path = folder / f"protocol{protocol}.pkl"
        path.write_bytes(beside(call("posix.system", (f"touch {canary}",), "reduce"), bytes([0x80, protocol])))
        yield f"protocol {protocol}", path, "posix.system", True
    plain = b"cposix\nsystem\n(S'touch %s'\ntR." % str(canary).encode()
    renamed, bare, both = folder / "renamed.safetensors", folder / "bare.pt", folder / "polyglot.pt"
    renamed.write_bytes(beside(call("posix.system", (f"touch {canary}",), "reduce")))
    bare.write_bytes(plain)
    made = io.BytesIO()
    torch.save(weights(), made)
    both.write_bytes(plain + made.getvalue())
    yield "renamed .safetensors", renamed, "posix.system", True
    yield "protocol 0 without a mark", bare, "posix.system", True
    yield "pickle before a zip", both, "posix.system", True
