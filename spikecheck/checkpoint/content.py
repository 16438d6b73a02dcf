"""Finds in what a file holds: the model's tensors by name, the optimizers, and how far training was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from spikecheck.checkpoint.values import Standin, TensorRef
from spikecheck.evidence.evidence import FORMAT

MODELS: tuple[str, ...] = (
    "state_dict",
    "model_state_dict",
    "model",
    "model_state",
    "net",
    "network",
    "module",
    "params",
    "weights",
)
MODELS += ("snn", "encoder_state_dict", "checkpoint", "ckpt", "state")
COUNTERS = ("global_step", "step", "iteration", "iter", "updates", "num_updates", "epoch", "epochs_run")
DROPPED = {"_parameters", "_buffers", "_modules"}  # the drawers of a module that was pickled whole
WRAPPERS = {"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
PARALLEL = "module."
MOST_NODES = 5_000_000
MOST_TENSORS = 200_000
MOST_PARTS = 40

Path = tuple[Any, Any] | None  # (path of the parent, key): shares its beginning with its neighbours


@dataclass
class Optimizer:
    """The moments of an optimizer by parameter, and its groups: as `Optimizer.state_dict()` writes them."""

    state: dict[Any, dict[str, Any]]
    groups: list[dict[str, Any]]


@dataclass
class Content:
    """What a file holds, in the order in which it holds it."""

    tensors: dict[str, TensorRef] = field(default_factory=dict)
    optimizers: list[Optimizer] = field(default_factory=list)
    counters: dict[str, int] = field(default_factory=dict)
    evidence: dict[Any, Any] | None = None  # of a run, as `spikecheck.save_evidence` writes it
    written: dict[str, str] = field(default_factory=dict)  # the names of the model's own tensors, as the file has them
    factory: str | None = None  # what the file says it was made by; a file can say anything
    arguments: dict[str, Any] = field(default_factory=dict)
    others: int = 0  # tensors that belong to no model: states of random generators and the like


def parts(path: Path) -> tuple[str, ...]:
    """The keys from the root on; the beginning is left out where there are very many."""
    keys: list[str] = []
    while path is not None and len(keys) < MOST_PARTS:
        path, key = path
        if key not in DROPPED or not isinstance(key, str):
            keys.append(spelt(key))
    if path is not None:
        keys.append("…")
    return tuple(reversed(keys))


def spelt(key: Any) -> str:
    """A key as text."""
    if isinstance(key, str):
        return key
    return f"{key}" if isinstance(key, int | float) or key is None else "?"


def children(value: Any) -> Iterator[tuple[Any, Any]]:
    """What a container holds, by key."""
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list | tuple):
        yield from enumerate(value)
    elif isinstance(value, Standin):
        state = value.state
        if isinstance(state, tuple):  # (state, slots)
            state = next((part for part in state if isinstance(part, dict)), None)
        if isinstance(state, dict):
            yield from state.items()
        elif isinstance(state, list | Standin):
            yield "state", state
        yield from ((k, v) for k, v in value.items if isinstance(k, str)) if pairs(value.items) else ()
        yield from enumerate(value.args)


def pairs(items: list[Any]) -> bool:
    """Are they all keys with values, as of a dict?"""
    return all(isinstance(item, tuple) and len(item) == 2 for item in items)


def walk(root: Any) -> Iterator[tuple[Path, Any]]:
    """Every object once, in order, with its path; neither depth nor a circle is a difficulty."""
    seen: set[int] = set()
    stack: list[tuple[Path, Any]] = [(None, root)]
    nodes = 0
    while stack:
        path, value = stack.pop()
        nodes += 1
        if nodes > MOST_NODES:
            return
        yield path, value
        if isinstance(value, dict | list | tuple | Standin) and value is not None:
            if id(value) in seen or is_optimizer(value) or is_evidence(value):
                continue
            seen.add(id(value))
            stack.extend(reversed([((path, key), inner) for key, inner in children(value)]))


def is_optimizer(value: Any) -> bool:
    """Is it the state of an optimizer? Schedulers and other dicts lack one of the two."""
    return (
        isinstance(value, dict) and isinstance(value.get("param_groups"), list) and isinstance(value.get("state"), dict)
    )


def is_evidence(value: Any) -> bool:
    """Is it what a monitor saw of a run?"""
    return isinstance(value, dict) and isinstance(value.get("format"), str) and value["format"] == FORMAT


def sort_content(root: Any) -> Content:
    """Sort what a file holds."""
    content = Content()
    found: dict[tuple[str, ...], TensorRef] = {}
    for path, value in walk(root):
        if isinstance(value, TensorRef):
            if len(found) < MOST_TENSORS:
                found.setdefault(parts(path), value)
        elif is_optimizer(value):
            content.optimizers.append(optimizer(value))
        elif is_evidence(value) and content.evidence is None:
            content.evidence = value
    if isinstance(root, dict):
        counted = ((name, root.get(name)) for name in COUNTERS)
        content.counters = {n: v for n, v in counted if isinstance(v, int) and not isinstance(v, bool) and v >= 0}
        factory, arguments = root.get("factory"), root.get("arguments")
        content.factory = factory if isinstance(factory, str) else None
        content.arguments = arguments if isinstance(arguments, dict) else {}
    chosen = beneath(found, root)
    beside = {keys for keys in chosen if keys in found} if any(keys not in found for keys in chosen) else set()
    content.others = len(found) - len(chosen)
    for keys, ref in chosen.items():
        name = stripped(".".join(keys)) or "tensor"
        name = name if name not in content.tensors else ".".join(keys)
        content.tensors[name] = ref
        if keys not in beside:
            content.written[name] = ".".join(keys)
    while content.tensors and all(name.startswith(PARALLEL) and name != PARALLEL for name in content.tensors):
        content.tensors = {name.removeprefix(PARALLEL): ref for name, ref in content.tensors.items()}
        content.written = {name.removeprefix(PARALLEL): raw for name, raw in content.written.items()}
    return content


def stripped(name: str) -> str:
    """The name without what torch.compile and the like put in between."""
    return ".".join(part for part in name.split(".") if part not in WRAPPERS)


def beneath(found: dict[tuple[str, ...], TensorRef], root: Any) -> dict[tuple[str, ...], TensorRef]:
    """The tensors of the model, their paths without the drawers that the whole checkpoint puts it in.

    A checkpoint keeps its model under one of the usual keys; what stands beside it and is no number with a point (the
    state of a random generator) is left out, and what is one (an average of the weights) keeps its whole path.
    """
    while isinstance(root, dict):
        firsts = {keys[0] for keys in found if len(keys) > 1}
        model = next((name for name in MODELS if name in firsts), None)
        if model is None:
            return found
        root = root.get(model)
        inside = {keys[1:]: ref for keys, ref in found.items() if keys[0] == model and len(keys) > 1}
        beside = {k: r for k, r in found.items() if k[0] != model and r.dtype.startswith(("float", "bfloat"))}
        found = inside | {k: r for k, r in beside.items() if k not in inside}
        if beside:
            return found
    return found


def optimizer(value: dict[Any, Any]) -> Optimizer:
    """The state of an optimizer, without what does not fit its form."""
    state = {k: v for k, v in value["state"].items() if isinstance(v, dict)}
    groups = [group for group in value["param_groups"] if isinstance(group, dict)]
    return Optimizer(state, groups)
