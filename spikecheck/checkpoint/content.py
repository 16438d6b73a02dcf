"""Sort the content of a file: the model's tensors by name, the optimizers, the counters, the evidence of a run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from spikecheck.checkpoint.values import Standin, TensorRef
from spikecheck.evidence.evidence import FORMAT

MODEL_KEYS: tuple[str, ...] = (
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
MODEL_KEYS += ("snn", "encoder_state_dict", "checkpoint", "ckpt", "state")
COUNTER_KEYS = ("global_step", "step", "iteration", "iter", "updates", "num_updates", "epoch", "epochs_run")
MODULE_DICTS = {"_parameters", "_buffers", "_modules"}  # the dictionaries of a module that was pickled whole
WRAPPERS = {"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
PARALLEL = "module."
MAX_NODES = 5_000_000
MAX_TENSORS = 200_000
MAX_PARTS = 40

Path = tuple[Any, Any] | None  # (path of the parent, key), so that paths share their beginnings


@dataclass
class Optimizer:
    """The moments of an optimizer by parameter, and its groups: as `Optimizer.state_dict()` writes them."""

    state: dict[Any, dict[str, Any]]
    groups: list[dict[str, Any]]


@dataclass
class Content:
    """What a file holds, in the order of the file."""

    tensors: dict[str, TensorRef] = field(default_factory=dict)
    optimizers: list[Optimizer] = field(default_factory=list)
    counters: dict[str, int] = field(default_factory=dict)
    evidence: dict[Any, Any] | None = None  # of a run, as `spikecheck.save_evidence` writes it
    raw_names: dict[str, str] = field(default_factory=dict)  # of the model's own tensors, by name: as the file has it
    factory: str | None = None  # of the model, as the file claims; a file can claim anything
    arguments: dict[str, Any] = field(default_factory=dict)
    others: int = 0  # tensors outside the model, such as random generator states


def parts(path: Path) -> tuple[str, ...]:
    """Return the keys from the root on; the first are left out where there are very many."""
    keys: list[str] = []
    while path is not None and len(keys) < MAX_PARTS:
        path, key = path
        if key not in MODULE_DICTS or not isinstance(key, str):
            keys.append(key_text(key))
    if path is not None:
        keys.append("…")
    return tuple(reversed(keys))


def key_text(key: Any) -> str:
    """Return a key as text."""
    if isinstance(key, str):
        return key
    return f"{key}" if isinstance(key, int | float) or key is None else "?"


def children(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield what a container holds, by key."""
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
        yield from ((k, v) for k, v in value.items if isinstance(k, str)) if are_pairs(value.items) else ()
        yield from enumerate(value.args)


def are_pairs(items: list[Any]) -> bool:
    """Return whether all items are pairs, as of a dict."""
    return all(isinstance(item, tuple) and len(item) == 2 for item in items)


def walk(root: Any) -> Iterator[tuple[Path, Any]]:
    """Yield every object once, in order, with its path, whatever the depth; cycles end."""
    visited: set[int] = set()
    stack: list[tuple[Path, Any]] = [(None, root)]
    nodes = 0
    while stack:
        path, value = stack.pop()
        nodes += 1
        if nodes > MAX_NODES:
            return
        yield path, value
        if isinstance(value, dict | list | tuple | Standin) and value is not None:
            if id(value) in visited or is_optimizer(value) or is_evidence(value):
                continue
            visited.add(id(value))
            stack.extend(reversed([((path, key), inner) for key, inner in children(value)]))


def is_optimizer(value: Any) -> bool:
    """Return whether it is the state of an optimizer; schedulers and other dicts lack one of the two keys."""
    return (
        isinstance(value, dict) and isinstance(value.get("param_groups"), list) and isinstance(value.get("state"), dict)
    )


def is_evidence(value: Any) -> bool:
    """Return whether it is the evidence of a run."""
    return isinstance(value, dict) and isinstance(value.get("format"), str) and value["format"] == FORMAT


def sort_content(root: Any) -> Content:
    """Return what a file holds, sorted by its purpose."""
    content = Content()
    tensors: dict[tuple[str, ...], TensorRef] = {}
    for path, value in walk(root):
        if isinstance(value, TensorRef):
            if len(tensors) < MAX_TENSORS:
                tensors.setdefault(parts(path), value)
        elif is_optimizer(value):
            content.optimizers.append(optimizer(value))
        elif is_evidence(value) and content.evidence is None:
            content.evidence = value
    if isinstance(root, dict):
        counters = ((name, root.get(name)) for name in COUNTER_KEYS)
        content.counters = {n: v for n, v in counters if isinstance(v, int) and not isinstance(v, bool) and v >= 0}
        factory, arguments = root.get("factory"), root.get("arguments")
        content.factory = factory if isinstance(factory, str) else None
        content.arguments = arguments if isinstance(arguments, dict) else {}
    of_model = model_tensors(tensors, root)
    nested = any(keys not in tensors for keys in of_model)
    outside = {keys for keys in of_model if keys in tensors} if nested else set()
    content.others = len(tensors) - len(of_model)
    for keys, ref in of_model.items():
        name = without_wrappers(".".join(keys)) or "tensor"
        name = name if name not in content.tensors else ".".join(keys)
        content.tensors[name] = ref
        if keys not in outside:
            content.raw_names[name] = ".".join(keys)
    while content.tensors and all(name.startswith(PARALLEL) and name != PARALLEL for name in content.tensors):
        content.tensors = {name.removeprefix(PARALLEL): ref for name, ref in content.tensors.items()}
        content.raw_names = {name.removeprefix(PARALLEL): raw for name, raw in content.raw_names.items()}
    return content


def without_wrappers(name: str) -> str:
    """Return the name without the parts that torch.compile and other wrappers insert."""
    return ".".join(part for part in name.split(".") if part not in WRAPPERS)


def model_tensors(tensors: dict[tuple[str, ...], TensorRef], root: Any) -> dict[tuple[str, ...], TensorRef]:
    """Return the tensors of the model, their paths without the keys under which the checkpoint keeps the model.

    Of the tensors beside the model, those of integers (the state of a random generator) are left out, and those of
    floating-point numbers (an average of the weights) keep their whole path.
    """
    while isinstance(root, dict):
        firsts = {keys[0] for keys in tensors if len(keys) > 1}
        model = next((name for name in MODEL_KEYS if name in firsts), None)
        if model is None:
            return tensors
        root = root.get(model)
        inside = {keys[1:]: ref for keys, ref in tensors.items() if keys[0] == model and len(keys) > 1}
        beside = {k: r for k, r in tensors.items() if k[0] != model and r.dtype.startswith(("float", "bfloat"))}
        tensors = inside | {k: r for k, r in beside.items() if k not in inside}
        if beside:
            return tensors
    return tensors


def optimizer(value: dict[Any, Any]) -> Optimizer:
    """Return the state of an optimizer, without parts that have another form."""
    state = {k: v for k, v in value["state"].items() if isinstance(v, dict)}
    groups = [group for group in value["param_groups"] if isinstance(group, dict)]
    return Optimizer(state, groups)
