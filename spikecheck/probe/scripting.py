"""Our hooks are off a model while `torch.jit.script` compiles it, which would try to compile the hooks with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from torch import nn


def scripting_without_hooks(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return `torch.jit.script`, which does not see our hooks."""

    @wraps(original)
    def script(obj: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(obj, nn.Module):
            return original(obj, *args, **kwargs)
        with without_hooks(obj):
            return original(obj, *args, **kwargs)

    return script


@contextmanager
def without_hooks(module: nn.Module) -> Iterator[None]:
    """Take our hooks off all parts of a module, and put them back in their order."""
    taken = []
    for _, part in module.named_modules():
        for table in (part._forward_hooks, part._forward_pre_hooks):
            if any(map(is_ours, table.values())):
                taken.append((table, dict(table)))
                for key in [key for key, hook in table.items() if is_ours(hook)]:
                    del table[key]
    try:
        yield
    finally:
        for table, before in taken:
            table.clear()
            table.update(before)


def is_ours(hook: object) -> bool:
    """Return whether a hook is one of a session's."""
    return getattr(type(hook), "IS_OF_SPIKECHECK", False)
