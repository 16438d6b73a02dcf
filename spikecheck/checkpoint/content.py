"""Sort the content of a file: the model's tensors by name, the optimizers, the counters, the evidence of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from spikecheck.checkpoint.budget import Budget
from spikecheck.checkpoint.values import Standin, StorageRef, TensorRef, safe_key
from spikecheck.evidence.evidence import FORMAT
from spikecheck.outside_text import MAX_LENGTH, UniqueNames, safe

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
COUNTS = ("step", "eta", "mu")  # what optimizers keep of a parameter beside its moments
MAX_COUNTER = 1 << 62  # what a counter of updates can be
MAX_TENSORS = 10_000  # a judgment call: several times the tensors of the largest network with its optimizer
MAX_PARTS = 40  # keys of a path that are shown

Path = tuple[Any, Any] | None  # (path of the parent, key), so that paths share their beginnings
Keys = tuple[str, ...]


Member = tuple[Any, float | None, str | None]  # a parameter's key, its learning rate, its name if it is stated


@dataclass
class Optimizer:
    """The moments of an optimizer by parameter, and the parameters of its groups, each once."""

    state: dict[Any, dict[str, Any]]
    members: list[Member]
    others: dict[str, TensorRef] = field(default_factory=dict)  # its tensors that are no moments, by path

    def tensors(self) -> Iterator[tuple[str, TensorRef]]:
        """Yield every tensor of its state, with a name."""
        slots = (slot for slots in self.state.values() for slot in slots.items())
        yield from ((f"a moment {key_text(key)}", value) for key, value in slots if isinstance(value, TensorRef))
        yield from self.others.items()


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
    unread: int = 0  # tensors beyond `MAX_TENSORS`, which are not looked at


def parts(path: Path, text: Callable[[Any], str] | None = None) -> Keys:
    """Return the keys from the root on as text; the first are left out where there are very many."""
    keys: list[str] = []
    while path is not None and len(keys) < MAX_PARTS:
        path, key = path
        if text is not None:
            keys.append(text(key))
        elif not isinstance(key, str) or key not in MODULE_DICTS:
            keys.append(key_text(key))
    if path is not None:
        keys.append("…")
    return tuple(reversed(keys))


def key_text(key: Any) -> str:
    """Return a key as text."""
    if isinstance(key, str):
        return safe(key)
    return str(key) if isinstance(key, int | float) or key is None else exact_text(key)


def exact_text(key: Any) -> str:
    """Return a key as Python would write it, so that 1 and "1" differ."""
    if isinstance(key, str | bytes):
        return safe(repr(key[:MAX_LENGTH]))
    if isinstance(key, tuple):  # as a key, it is small and holds plain values
        return safe(f"({', '.join(map(exact_text, key))}{',' * (len(key) == 1)})")
    if isinstance(key, int | float) or key is None:
        return safe(repr(key))
    return f"[{safe(key.of)}]" if isinstance(key, Standin) else "[tensor]"


def children(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield what a container holds, by key; keys that may hold tensors as well."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(key, TensorRef | StorageRef | Standin):
                yield "key", key
            yield key, inner
    elif isinstance(value, list | tuple):
        yield from enumerate(value)
    elif isinstance(value, Standin):
        state = value.state
        if isinstance(state, dict):
            yield from state.items()
        elif isinstance(state, tuple):  # (state, slots)
            for part in state:
                yield from part.items() if isinstance(part, dict) else [("state", part)]
        elif state is not None:
            yield "state", state
        for number, item in enumerate(value.items):
            pair = isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str)
            yield item if pair else (number, item)
        yield from enumerate(value.args)


@dataclass
class Place:
    """An object in a file: its path, and the numbers of the optimizer whose state it is part of, or that it is."""

    path: Path
    value: Any
    optimizer: int | None = None
    number: int | None = None


def walk(root: Any, budget: Budget) -> Iterator[Place]:
    """Yield every container and tensor once, in order, with its path, whatever the depth; cycles end."""
    views: dict[StorageRef, TensorRef] = {}
    root = tensor_of(root, views)
    if isinstance(root, TensorRef):
        yield Place(None, root)
        return
    visited: set[int] = {id(root)}
    optimizers = count()
    first = Place(None, root, None, next(optimizers) if is_optimizer(root) else None)
    yield first
    stack: list[tuple[Place, Iterator[tuple[Any, Any]]]] = [(first, children(root))]
    while stack:
        parent, others = stack[-1]
        for key, value in others:
            budget.spend_nodes()
            value = tensor_of(value, views)
            inside = parent.optimizer
            if inside is None and parent.number is not None and key in ("state", "param_groups"):
                inside = parent.number
            if isinstance(value, TensorRef):
                yield Place((parent.path, key), value, inside)
            elif isinstance(value, dict | list | tuple | Standin) and id(value) not in visited:
                visited.add(id(value))
                place = Place((parent.path, key), value, inside, next(optimizers) if is_optimizer(value) else None)
                yield place
                stack.append((place, children(value)))
                break
        else:
            stack.pop()


def tensor_of(value: Any, views: dict[StorageRef, TensorRef]) -> Any:
    """Return the value; a storage that lies where a tensor could is checked as the vector of its elements."""
    if not isinstance(value, StorageRef):
        return value
    return views.setdefault(value, TensorRef(value, 0, (value.elements,), (1,)))


def is_optimizer(value: Any) -> bool:
    """Return whether it is the state of an optimizer; schedulers and other dicts lack one of the two keys."""
    return (
        isinstance(value, dict) and isinstance(value.get("param_groups"), list) and isinstance(value.get("state"), dict)
    )


def is_evidence(value: Any) -> bool:
    """Return whether it is the evidence of a run."""
    return isinstance(value, dict) and isinstance(value.get("format"), str) and value["format"] == FORMAT


@dataclass
class Sorter:
    """Collect the tensors of a file, each under a name of its own."""

    content: Content
    tensors: dict[Keys, TensorRef] = field(default_factory=dict)  # outside of optimizers
    numbered: UniqueNames = field(default_factory=UniqueNames)

    def add(self, place: Place) -> None:
        """Add a tensor."""
        if len(self.tensors) + self.content.others >= MAX_TENSORS:
            self.content.unread += 1
        elif place.optimizer is not None:
            self.content.others += 1  # counted here only to bound them
            of = self.content.optimizers[place.optimizer]
            name = ".".join(parts(place.path)[-MAX_PARTS:])
            of.others[self.numbered.add(name)] = place.value
        else:
            self.tensors[self.unused(place.path)] = place.value

    def unused(self, path: Path) -> Keys:
        """Return the keys of a path, written exactly, and numbered, where another tensor has the same."""
        keys = parts(path) or ("tensor",)
        if keys in self.tensors:
            keys = parts(path, exact_text)
        if keys in self.tensors:
            whole = self.numbered.add("\0".join(keys))
            while tuple(whole.split("\0")) in self.tensors:
                whole = self.numbered.add("\0".join(keys))
            keys = tuple(whole.split("\0"))
        return keys


def sort_content(root: Any, budget: Budget, aside: Iterable[Any] = ()) -> Content:
    """Return what a file holds, sorted by its purpose; `aside` are objects that belong to no container."""
    content = Content()
    sorter = Sorter(content)
    for place in walk(root, budget):
        if isinstance(place.value, TensorRef):
            sorter.add(place)
        elif place.number is not None:
            content.optimizers.append(optimizer(place.value, budget))
        elif is_evidence(place.value) and content.evidence is None:
            content.evidence = place.value
    known = set(sorter.tensors.values())
    for place in walk({"attributes": list(aside)}, budget):
        if isinstance(place.value, TensorRef) and place.value not in known:
            sorter.add(Place(place.path, place.value))
    if isinstance(root, dict):
        counters = ((name, root.get(name)) for name in COUNTER_KEYS)
        content.counters = {n: v for n, v in counters if isinstance(v, int) and not isinstance(v, bool) and v >= 0}
        content.counters = {name: value for name, value in content.counters.items() if value < MAX_COUNTER}
        factory, arguments = root.get("factory"), root.get("arguments")
        content.factory = factory if isinstance(factory, str) else None
        content.arguments = arguments if isinstance(arguments, dict) else {}
    for one in content.optimizers:
        moments = {ref for key, _, _ in one.members for ref in moment_tensors(one.state.get(key, {})).values()}
        one.others = {name: ref for name, ref in one.others.items() if ref not in moments}
    name_tensors_of_model(content, sorter.tensors, root)
    return content


def name_tensors_of_model(content: Content, tensors: dict[Keys, TensorRef], root: Any) -> None:
    """Give each tensor of the model the name by which the reports call it, different from all others."""
    of_model = model_tensors(tensors, root)
    content.others = len(tensors) - len(of_model)
    names = UniqueNames()
    for keys, ref, is_own in of_model:
        short, whole = safe(without_wrappers(".".join(keys)) or "tensor"), safe(".".join(keys) or "tensor")
        name = names.add(whole if short in names.used else short)
        content.tensors[name] = ref
        if is_own:
            content.raw_names[name] = ".".join(keys)
    while content.tensors and all(name.startswith(PARALLEL) and name != PARALLEL for name in content.tensors):
        content.tensors = {name.removeprefix(PARALLEL): ref for name, ref in content.tensors.items()}
        content.raw_names = {name.removeprefix(PARALLEL): raw for name, raw in content.raw_names.items()}


def without_wrappers(name: str) -> str:
    """Return the name without the parts that torch.compile and other wrappers insert."""
    return ".".join(part for part in name.split(".") if part not in WRAPPERS)


def model_tensors(tensors: Mapping[Keys, TensorRef], root: Any) -> list[tuple[Keys, TensorRef, bool]]:
    """Return the tensors to judge, each with its keys and whether it is the model's own.

    The keys of the model's own lack those under which the checkpoint keeps the model. Of the tensors beside it, those
    of integers (the state of a random generator) are left out, and those of floating-point numbers (an average of the
    weights) keep their whole path.
    """
    while isinstance(root, dict):
        firsts = {keys[0] for keys in tensors if len(keys) > 1}
        model = next((name for name in MODEL_KEYS if name in firsts), None)
        if model is None:
            break
        root = root.get(model)
        inside = {keys[1:]: ref for keys, ref in tensors.items() if keys[0] == model and len(keys) > 1}
        beside = [(k, r, False) for k, r in tensors.items() if (k[0] != model or len(k) == 1) and is_floating(r)]
        if beside:
            return [*((keys, ref, True) for keys, ref in inside.items()), *beside]
        tensors = inside
    return [(keys, ref, True) for keys, ref in tensors.items()]


def is_floating(ref: TensorRef) -> bool:
    """Return whether a tensor holds floating-point or complex numbers."""
    return ref.dtype.startswith(("float", "bfloat", "complex"))


def moment_tensors(slots: Mapping[Any, Any]) -> dict[str, TensorRef]:
    """Return the moments of a parameter: its tensors without the counter of updates."""
    return {str(k): v for k, v in slots.items() if isinstance(v, TensorRef) and isinstance(k, str) and k not in COUNTS}


def optimizer(value: dict[Any, Any], budget: Budget) -> Optimizer:
    """Return the state of an optimizer, without parts that have another form."""
    state = {k: v for k, v in value["state"].items() if isinstance(v, dict)}
    members: dict[Any, Member] = {}
    for group in value["param_groups"]:
        budget.spend_nodes()
        keys, names, rate = (
            (group.get(k) for k in ("params", "param_names", "lr")) if isinstance(group, dict) else [()] * 3
        )
        budget.spend_nodes(len(keys) if isinstance(keys, list) else 0)
        for place, key in enumerate(keys if isinstance(keys, list) else ()):
            name = names[place] if isinstance(names, list) and len(names) > place else None
            known_as = safe(name) if isinstance(name, str) else None
            members.setdefault(safe_key(key), (safe_key(key), rate if isinstance(rate, float) else None, known_as))
    return Optimizer(state, list(members.values()))
