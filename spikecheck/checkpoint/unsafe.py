"""Let torch load a file and execute the code in it, only where the user passed `--unsafe-pickle`."""

from __future__ import annotations

import io
from typing import Any, BinaryIO

import torch
from torch import Tensor, nn

from spikecheck.checkpoint.source import BytesSource
from spikecheck.checkpoint.values import Record, StorageRef, TensorRef
from spikecheck.errors import UnreadableError


def load(file: BinaryIO) -> Any:
    """Load a file, execute the code in it, and return the same description as the safe reader."""
    file.seek(0)
    try:
        root = torch.load(io.FileIO(file.fileno(), closefd=False), map_location="cpu", weights_only=False)
    except (ImportError, AttributeError, RuntimeError, EOFError, ValueError, TypeError, KeyError, OSError) as error:
        raise UnreadableError(f"torch cannot load it: {str(error).strip().partition(chr(10))[0][:120]}") from error
    return describe(root)


def describe(root: Any) -> Any:
    """Return the containers with a description in place of each tensor, and its state in place of a module."""
    made: dict[int, Any] = {}
    stack: list[tuple[Any, Any, Any]] = []

    def start(value: Any) -> Any:
        if isinstance(value, torch.TypedStorage):
            value = torch.empty(0, dtype=value.dtype).set_(value)
        if isinstance(value, Tensor):
            return describe_tensor(value)
        if isinstance(value, nn.Module):
            value = value.state_dict()
        if not isinstance(value, dict | list | tuple):
            return value
        if id(value) not in made:
            made[id(value)] = {}
            items = value.items() if isinstance(value, dict) else enumerate(value)
            stack.extend((made[id(value)], key, inner) for key, inner in items)
            made[-id(value)] = value  # keeps it alive, since an id must not be reused
        return made[id(value)]

    holder: dict[str, Any] = {}
    stack.append((holder, "root", root))
    while stack:
        target, key, value = stack.pop()
        target[key] = start(value)
    return restore_order(holder["root"])


def restore_order(root: Any) -> Any:
    """Restore the order of keys, which the stack reversed, and the lists of an optimizer's groups."""
    stack, visited = [root], set()
    while stack:
        value = stack.pop()
        if isinstance(value, dict) and id(value) not in visited:
            visited.add(id(value))
            items = list(reversed(value.items()))
            value.clear()
            value.update(items)
            groups = value.get("param_groups")
            if isinstance(groups, dict):
                value["param_groups"] = list(dict(sorted(groups.items())).values())
                stack.extend(value["param_groups"])
            stack.extend(inner for _, inner in items)
    return root


def describe_tensor(tensor: Tensor) -> TensorRef:
    """Describe a tensor in memory as the safe reader describes one in a file."""
    dense = tensor.detach()
    if dense.is_meta:
        return TensorRef(
            StorageRef(None, str(dense.dtype)[6:], 0), 0, tuple(dense.shape), (), "on the meta device: it has no values"
        )
    if dense.layout is not torch.strided:
        dense = dense.coalesce().values() if dense.layout is torch.sparse_coo else dense.values()
    if dense.is_quantized:
        dense = dense.int_repr()
    dense = dense.contiguous()
    content = dense.view(-1).view(torch.uint8).numpy().tobytes()
    record = Record("in memory", BytesSource(content), 0, len(content))
    shape = tuple(dense.shape)
    return TensorRef(StorageRef(record, str(dense.dtype)[6:], dense.numel()), 0, shape, tuple(dense.stride()))
