"""Files of every kind that a safe reader meets: healthy ones, strange ones, broken ones. None is committed."""

from __future__ import annotations

import argparse
import io
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nir
import torch
from torch import nn

from spikecheck.checkpoint.values import ITEM_SIZES
from tests.promises.checkpoint_attacks import attacks, weights
from tests.promises.checkpoint_graphs import HOSTILE, graph, written


@dataclass(frozen=True)
class Case:
    """A file, and what is owed: words of the refusal, or of the report."""

    name: str
    path: Path
    refused: bool = False
    words: tuple[str, ...] = ()
    finds: tuple[str, ...] = ()


class Net(nn.Module):
    """One linear layer, and what a module may carry beside tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(16, 8)
        self.norm = nn.BatchNorm1d(8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(self.fc1(x))


def saved(content: Any, **how: Any) -> bytes:
    made = io.BytesIO()
    torch.save(content, made, **how)
    return made.getvalue()


def trained() -> dict[str, Any]:
    """A whole training checkpoint."""
    net = Net()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.05)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 5)
    for _ in range(3):
        net(torch.rand(4, 16)).square().sum().backward()
        optimizer.step()
        scheduler.step()
    state = {"optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict(), "epoch": 3}
    return {"model": net.state_dict(), "rng": torch.get_rng_state(), **state}


def lightning() -> dict[str, Any]:
    """A checkpoint of Lightning with a path, a namespace and a loss in its hyperparameters."""
    content = trained()
    return {
        "epoch": 3,
        "global_step": 30,
        "pytorch-lightning_version": "2.5.0",
        "state_dict": {f"model.{name}": value for name, value in content["model"].items()},
        "optimizer_states": [content["optimizer"]],
        "lr_schedulers": [content["scheduler"]],
        "hyper_parameters": {"path": Path("data"), "args": argparse.Namespace(lr=1), "loss": nn.CrossEntropyLoss()},
    }


def healthy(folder: Path) -> Iterator[Case]:
    """Files that are read, in every format and form."""
    contents = {
        "state dict": weights(),
        "module": {f"module.{k}": v for k, v in weights().items()},
        "compiled": {f"_orig_mod.{k}": v for k, v in weights().items()},
        "both": {f"module._orig_mod.{k}": v for k, v in weights().items()},
        "training": trained(),
        "lightning": lightning(),
        "whole module": Net(),
        "module beside": {"net": Net(), "epoch": 3},
        "bare tensor": torch.rand(3, 3),
        "list": [torch.rand(3), torch.rand(2, 2)],
        "tuple": (torch.rand(3),),
        "numbers as keys": {0: torch.rand(3), 1.5: torch.rand(3), (1, 2): torch.rand(3), None: torch.rand(3)},
        "control characters": {"a\x1b[31mred\x07\n": torch.rand(3), "\u202eleft": torch.rand(3)},
        "shared": {"a": (t := torch.rand(4, 4)), "b": t, "c": t.t(), "d": t[1:, ::2]},
        "overlapping views": {f"w{i}": torch.zeros(300_000)[i:] for i in range(3)}
        | {f"v{i}": (big := torch.rand(300_000))[i:] for i in range(3)}
        | {f"u{i}": big[i:] for i in range(1000)},
        "empty tensors": {"a": torch.rand(0), "b": torch.rand(3, 0, 2), "c": torch.rand(())},
        "expanded": {"fc.weight": torch.rand(1).expand(2**17, 2**17)},
        "expanded rows": {"fc.weight": torch.rand(4, 1).expand(4, 2**30)},
        "windows": {"fc.weight": torch.rand(100_000).unfold(0, 50_000, 1)},
        "sparse": {"fc.weight": torch.eye(5).to_sparse()},
        "sparse rows": {"fc.weight": torch.eye(5).to_sparse_csr()},
        "meta": {"fc.weight": torch.empty(3, 3, device="meta"), "fc.bias": torch.rand(3)},
        "quantized": {"fc.weight": torch.quantize_per_tensor(torch.rand(3, 3), 0.1, 0, torch.qint8)},
        "quantized by channel": {
            "w": torch.quantize_per_channel(torch.rand(3, 3), torch.rand(3), torch.zeros(3), 0, torch.qint8)
        },
        "parameters": dict(Net().named_parameters()),
        "self": circle(),
        "400 deep": deep(400),
        "5000 deep list": {"x": deep_list(900), "fc.weight": torch.rand(3, 3)},
        "many": {f"layer{i}.weight": torch.rand(2, 2) for i in range(500)},
        "long name": {"x" * 5000: torch.rand(3)},
    }
    names = [name for name in ITEM_SIZES if hasattr(torch, name) and not name.startswith("q")]
    contents |= {f"type {name}": {"fc.weight": torch.ones(3, 4).to(getattr(torch, name))} for name in names}
    for name, content in contents.items():
        for form, how in (("zip", {}), ("legacy", {"_use_new_zipfile_serialization": False})):
            if "deep" in name and form == "legacy":
                continue
            try:
                made = saved(content, **how)
            except (RuntimeError, NotImplementedError, AttributeError, pickle.PicklingError):
                continue  # torch itself does not write it
            path = folder / f"{name} {form}.pt"
            path.write_bytes(made)
            yield Case(f"{name}, {form}", path)
    for protocol in range(2, 6):
        path = folder / f"protocol {protocol}.pt"
        path.write_bytes(saved(trained(), pickle_protocol=protocol))
        yield Case(f"torch.save, protocol {protocol}", path, words=("epoch 3",))
        plain = folder / f"protocol {protocol}.pkl"
        plain.write_bytes(pickle.dumps({"model": weights(), "epoch": 3}, protocol=protocol))
        yield Case(f"plain pickle, protocol {protocol}", plain, words=("2 tensors",))
    with zipfile.ZipFile(io.BytesIO(saved(weights()))) as old, zipfile.ZipFile(folder / "packed.pt", "w", 8) as new:
        for info in old.infolist():
            new.writestr(info.filename, old.read(info))
    yield Case("deflated by another program", folder / "packed.pt", words=("2 tensors",))
    torch.jit.script(Net()).save(str(folder / "script.pt"))
    yield Case("TorchScript", folder / "script.pt", words=("TorchScript", "7 tensors"))
    yield from tensorfiles(folder)


def tensorfiles(folder: Path) -> Iterator[Case]:
    """safetensors, one and several."""
    from safetensors.torch import save_file

    save_file(weights(), folder / "one.safetensors")
    yield Case("safetensors", folder / "one.safetensors", words=("safetensors", "2 tensors"))
    shards = folder / "shards"
    shards.mkdir()
    index = {}
    for number, (name, value) in enumerate(weights().items()):
        save_file({name: value}, shards / f"part{number}.safetensors")
        index[name] = f"part{number}.safetensors"
    whole = shards / "model.safetensors.index.json"
    whole.write_text(json.dumps({"metadata": {}, "weight_map": index}))
    yield Case("shards", whole, words=("shards", "2 tensors"))
    wrong = {
        "missing": ({**index, "fc1.weight": "part7.safetensors"}, "missing"),
        "above": ({**index, "fc1.weight": "../one.safetensors"}, "outside its own directory"),
        "absolute": ({**index, "fc1.weight": str(folder / "one.safetensors")}, "outside its own directory"),
        "backslash": ({**index, "fc1.weight": "..\\one.safetensors"}, "outside its own directory"),
        "null": ({**index, "fc1.weight": "a\0b"}, "outside its own directory"),
        "not there": ({**index, "fc9.weight": "part0.safetensors"}, "does not hold"),
        "itself": ({"fc1.weight": "itself.index.json"}, "inside an index of shards"),
        "no text": ({"fc1.weight": 7}, "is not a file name"),
    }
    for name, (table, word) in wrong.items():
        path = shards / f"{name}.index.json"
        path.write_text(json.dumps({"weight_map": table}))
        yield Case(f"index: {name}", path, True, (word,))
    (shards / "empty.json").write_text("{}")
    yield Case("index: none", shards / "empty.json", True, ("weight_map",))
    (shards / "deep.json").write_text('{"weight_map":' + "[" * 100_000)
    yield Case("index: deep", shards / "deep.json", True, ("nested",))


def headers(folder: Path) -> Iterator[Case]:
    """Broken safetensors."""

    def entry(dtype: Any = "F32", shape: Any = (2, 2), offsets: Any = (0, 16)) -> dict[str, Any]:
        return {"dtype": dtype, "shape": shape, "data_offsets": offsets}

    def file(header: Any, data: bytes = bytes(16)) -> bytes:
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        return struct.pack("<Q", len(text)) + text + data

    broken = {
        "header of 2^62": (struct.pack("<Q", 2**62) + b"{}", "claims"),
        "bad JSON": (file(b"{nonsense"), "is not"),
        "a list": (file(b"{ }x"), "is not"),
        "deep": (file(b'{"a":' * 20_000), "nested"),
        "wrong shape": (file({"w": entry(shape=[3, 3])}), "does not match"),
        "huge shape": (file({"w": entry(shape=[2**40, 2**40])}), "does not match"),
        "negative": (file({"w": entry(shape=[-2, -2])}), "not valid numbers"),
        "overlap": (file({"a": entry(), "b": entry(offsets=[8, 24])}, bytes(24)), "overlap"),
        "gap": (file({"a": entry(), "b": entry(offsets=[20, 36])}, bytes(36)), "gap"),
        "behind the end": (file({"w": entry(offsets=[16, 32])}), "truncated"),
        "more behind": (file({"w": entry()}, bytes(20)), "after its last tensor"),
        "unknown type": (file({"w": entry(dtype="Q4")}), "unknown type"),
        "type is a list": (file({"w": entry(dtype="F32 " * 9)}), "unknown type"),
        "no entry": (file({"w": 3}), "describe"),
        "no tensor": (file({}, b""), "without any tensor"),
    }
    for name, (content, word) in broken.items():
        path = folder / f"{name}.safetensors"
        path.write_bytes(content)
        yield Case(f"safetensors: {name}", path, True, (word,))


def circle() -> dict[str, Any]:
    """A dict that holds itself."""
    content: dict[str, Any] = {"fc.weight": torch.rand(3, 3)}
    content["self"] = content
    content["list"] = [content]
    return content


def deep(levels: int) -> dict[str, Any]:
    """A dict in a dict in a dict."""
    content: dict[str, Any] = {"weight": torch.rand(3, 3)}
    for _ in range(levels):
        content = {"a": content}
    return content


def deep_list(levels: int) -> list[Any]:
    """A list in a list in a list."""
    content: list[Any] = []
    for _ in range(levels):
        content = [content]
    return content


def strange(folder: Path) -> Iterator[Case]:
    """What is no checkpoint at all."""
    whole = saved(weights())
    flat = saved(weights(), _use_new_zipfile_serialization=False)
    contents = {
        "empty": (b"", "empty"),
        "half": (whole[: len(whole) // 2], "truncated"),
        "one byte short": (whole[:-1], "truncated"),
        "legacy half": (flat[: len(flat) // 2], "truncated"),
        "legacy one byte short": (flat[:-1], "truncated"),
        "one byte": (b"\x80", "first bytes"),
        "random": (bytes((i * 197 + 91) % 256 for i in range(5000)), "first bytes"),
        "text": (b"hello world, this is text\n" * 9, "first bytes"),
        "git-lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "git lfs pull"),
        "gzip": (b"\x1f\x8b\x08" + bytes(99), "gzip"),
        "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(99), "HDF5"),
        "web page": (b"<!DOCTYPE html><html>", "web page"),
        "numpy": (b"\x93NUMPY\x01\x00" + bytes(99), "NumPy"),
        "flipped": (flipped(whole), "corrupt"),
        "memo of 2^31": (b"\x80\x02}r\xff\xff\xff\x7f.", "without any tensor"),
        "string of 2^40": (b"\x80\x04\x8d" + (2**40).to_bytes(8, "little") + b"a.", "truncated"),
        "number of 2^31 digits": (b"\x80\x02\x8b\xff\xff\xff\x7f.", "pickle is invalid"),
        "hash bomb": (b"\x80\x02}" + b")" + b"2\x86" * 60 + b"Ns.", "without any tensor"),
        "the same list for ever": (copies("cbuiltins\nset\n"), "too many objects"),
        "the same dict for ever": (copies("ccollections\nOrderedDict\n"), "too many objects"),
        "unknown operation": (b"\x80\x02\xff.", "0xff"),
        "empty stack": (b"\x80\x020000.", "pickle is invalid"),
        "memo that is not there": (b"\x80\x02h\x09.", "pickle is invalid"),
        "extension": (b"\x80\x02\x82\x01.", "0x82"),
        "buffer outside": (b"\x80\x05\x97.", "0x97"),
        "a dict in a dict in a dict": (b"\x80\x02" + b"}K\x01" * 100_000 + b"N" + b"s" * 100_000 + b".", "any tensor"),
        "nothing in it": (saved({}), "without any tensor"),
        "numbers only": (saved({"epoch": 3}), "without any tensor"),
        "big-endian": (rezipped(whole, {"byteorder": b"big"}), "big-endian"),
        "no data.pkl": (rezipped(whole, {"data.pkl": None}), "data.pkl"),
        "a storage is missing": (rezipped(whole, {"data/0": None}), "no record"),
        "a storage is short": (rezipped(whole, {"data/0": b"abc"}), "3 bytes instead of 128 elements"),
        "zip bomb": (rezipped(whole, {"data/0": bytes(1 << 28)}, 8), "zip bomb"),
        "bomb in the pickle": (rezipped(whole, {"data.pkl": bytes(1 << 28)}, 8), "zip bomb"),
    }
    for name, (content, word) in contents.items():
        path = folder / f"{name}.bin"
        path.write_bytes(content)
        yield Case(name, path, True, (word,))
    zeros = folder / "zeros.pt"
    with zeros.open("wb") as file:
        file.truncate(5 << 30)
    yield Case("5 GB of zeros", zeros, True, ("zero bytes",))
    os.mkfifo(folder / "fifo")
    (folder / "dangling").symlink_to("nowhere")
    (folder / "loop1").symlink_to("loop2")
    (folder / "loop2").symlink_to("loop1")
    yield Case("FIFO", folder / "fifo", True, ("pipe",))
    yield Case("device", Path("/dev/zero"), True, ("device",))
    yield Case("folder", folder, True, ("directory",))
    yield Case("dangling link", folder / "dangling", True, ("does not exist",))
    yield Case("link loop", folder / "loop1", True, ("leads back to itself",))
    yield Case("not there", folder / "nothing.pt", True, ("no such file",))
    yield Case("null in the name", Path("a\0b"), True, ("name",))
    yield Case("long name", Path("x" * 5000), True, ("long",))


def copies(function: str) -> bytes:
    """A list of half a million places, and a hundred thousand calls that copy it."""
    listed = b"](" + b"h\x01" * 500_000 + b"eq\x02"
    return b"\x80\x02Nq\x01" + listed + function.encode() + b"q\x03]" + b"(h\x03(h\x02tRl0" * 100_000 + b"."


def flipped(whole: bytes) -> bytes:
    """One byte of a weight changed."""
    at = whole.index(struct.pack("<f", -0.3))
    return whole[: at + 9] + bytes([whole[at + 9] ^ 0x10]) + whole[at + 10 :]


def rezipped(whole: bytes, changed: dict[str, bytes | None], method: int = 0) -> bytes:
    """The zip file with other records in it."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(made, "w", method) as new:
        for info in old.infolist():
            content = changed.get(info.filename.partition("/")[2], old.read(info))
            if content is not None:
                new.writestr(info.filename, content)
    return made.getvalue()


def ill(folder: Path) -> Iterator[Case]:
    """Files that are read, and whose content is unwell."""
    bad = weights()
    bad["fc1.weight"][3, 5] = float("nan")
    for name in ("float16", "bfloat16", "float32", "float64", "complex64", "float8_e5m2"):
        path = folder / f"nan {name}.pt"
        torch.save({"fc1.weight": bad["fc1.weight"].to(getattr(torch, name))}, path)
        yield Case(f"NaN in {name}", path, words=("[3, 5]",), finds=("SPK501 fc1.weight",))
    views = {
        "transposed": torch.full((5, 4), float("nan")).t(),
        "expanded": torch.tensor([float("inf")]).expand(2**17, 2**17),
        "in a sparse one": (torch.eye(3) * float("inf")).nan_to_num(nan=0.0, posinf=float("inf")).to_sparse(),
        "behind a gap": torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, float("nan")]])[:, ::2],
    }
    for name, value in views.items():
        path = folder / f"nan {name}.pt"
        torch.save({"fc1.weight": value}, path)
        yield Case(f"NaN {name}", path, finds=("SPK501 fc1.weight",))
    beside = folder / "not looked at.pt"
    torch.save({"fc1.weight": torch.tensor([[1.0, float("nan"), 3.0, 4.0]] * 2)[:, ::2]}, beside)
    yield Case("NaN between what the tensor shows", beside)


def corpus(folder: Path) -> tuple[list[Case], Path]:
    """Every case, and the canary that must not appear."""
    torch.manual_seed(0)
    canary = folder / "canary"
    made: list[Case] = []
    for maker in (healthy, headers, strange, ill):
        home = folder / maker.__name__
        home.mkdir()
        made += maker(home)
    graphs = folder / "graphs"
    graphs.mkdir()
    nir.write(graphs / "healthy.nir", graph())
    made.append(Case("a NIR graph", graphs / "healthy.nir", words=("NIR graph", "13 tensors")))
    for name, (fill, word) in HOSTILE.items():
        made.append(Case(name, written(graphs / f"{name}.nir", fill), True, (word,)))
    hostile = folder / "attacks"
    hostile.mkdir()
    for name, path, word, refused in attacks(hostile, canary):
        made.append(Case(name, path, refused, (word,)))
    return made, canary
