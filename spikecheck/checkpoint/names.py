"""Derive from the keys of a checkpoint the role of each tensor, and which layer feeds which."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

THRESHOLDS = {"threshold", "v_threshold", "v_th", "vth", "spike_threshold", "thresh", "thr", "v_thresh"}
DECAYS = {"beta", "alpha", "decay", "leak", "alpha_mem", "alpha_syn", "beta_mem", "mem_decay", "syn_decay", "lam"}
TAUS = {"tau", "tau_mem", "tau_syn", "tau_m", "tau_s"}
POTENTIALS = {"v_leak", "v_reset", "v_rest"}  # beside a time constant: only a neuron has them
STATES = {"mem", "syn", "spk", "v", "v_mem", "i_syn", "vmem", "isyn", "spikes"}
BUFFERS = {"running_mean", "running_var", "num_batches_tracked", "graded_spikes_factor", "reset_mechanism_val"}
NEURONS = re.compile(r"lif|leaky|neuron|spik|snn|cuba|iaf|\bif\d*$|syn|alif|readout|cell", flags=re.IGNORECASE)


@dataclass(frozen=True)
class TensorName:
    """A tensor by its name: the module it belongs to, its name in the module, and its role."""

    name: str
    owner: str
    leaf: str
    role: str  # "weight", "bias", "neuron" or "buffer"
    means: str = ""  # of a neuron's: "threshold", "decay" or "tau"


def name_tensors(shapes: Mapping[str, tuple[int, ...]], floating: Mapping[str, bool]) -> tuple[TensorName, ...]:
    """Return every tensor with its role, in the order of the file."""
    leaves: dict[str, set[str]] = {}
    for name in shapes:
        owner, _, leaf = name.rpartition(".")
        leaves.setdefault(owner, set()).add(leaf)
    return tuple(role(name, shape, leaves, floating[name]) for name, shape in shapes.items())


def role(name: str, shape: tuple[int, ...], leaves: Mapping[str, set[str]], floating: bool) -> TensorName:
    """Return the role of a tensor, by its name, its shape, and the other tensors of its module."""
    owner, _, leaf = name.rpartition(".")
    beside = leaves[owner]
    if meaning := neuron(leaf, owner, beside) if len(shape) < 2 or shape[1:] == (1,) * len(shape[1:]) else "":
        return TensorName(name, owner, leaf, "neuron", meaning)
    if not floating or leaf in BUFFERS or leaf in STATES:
        return TensorName(name, owner, leaf, "buffer")
    if len(shape) > 1:
        return TensorName(name, owner, leaf, "weight")
    return TensorName(name, owner, leaf, "bias" if leaf.startswith("bias") else "buffer")


def neuron(leaf: str, owner: str, beside: Iterable[str]) -> str:
    """Return the meaning of a neuron's parameter, empty for other tensors; beta beside gamma is a normalization's."""
    others = set(beside)
    if others & {"gamma", "weight", "running_mean"}:
        return ""
    certain = (
        bool(others & (THRESHOLDS | POTENTIALS))
        or NEURONS.search(owner.rpartition(".")[2] or owner)
        or NEURONS.search(owner)
    )
    if leaf in THRESHOLDS:
        return "threshold"
    if not certain:
        return ""
    return "decay" if leaf in DECAYS else "tau" if leaf in TAUS else ""


@dataclass(frozen=True)
class Layer:
    """A spiking layer: its neurons' parameters, and the modules with weights that feed it (None: not known)."""

    owner: str
    parameters: tuple[TensorName, ...]
    feeders: tuple[str, ...] | None
    first: bool
    last: bool


def layers(named: Iterable[TensorName]) -> tuple[Layer, ...]:
    """Return the spiking layers in the order of the keys, each with the modules that feed it.

    The modules of a network are usually created in the order in which data passes through them: those between two
    spiking layers feed the second. Where all weights come before all neurons (two lists of modules), equal numbers in
    the names belong together. Otherwise it is not known what feeds a layer.
    """
    tensors = tuple(named)
    owners = list(dict.fromkeys(n.owner for n in tensors))
    neurons: dict[str, list[TensorName]] = {}
    for one in tensors:
        if one.role == "neuron":
            neurons.setdefault(one.owner, []).append(one)
    spiking = [owner for owner in owners if owner in neurons]
    weighted = {n.owner for n in tensors if n.role == "weight"}
    normalized = {n.owner for n in tensors if n.leaf in ("running_mean", "running_var")}
    normalized |= {n.owner for n in tensors if n.leaf == "weight" and n.role == "buffer"}
    between: dict[str, list[str]] = {}
    waiting: list[str] = []
    for owner in owners:
        if owner in neurons:
            between[owner], waiting = waiting, []
        elif owner in weighted or owner in normalized:
            waiting.append(owner)
    if not all(between.values()):
        alike: dict[tuple[str, ...], list[str]] = {}
        for owner in sorted(weighted | normalized):
            alike.setdefault(numbers(owner), []).append(owner)
        between = {owner: alike.get(numbers(owner), []) if numbers(owner) else [] for owner in spiking}
        if waiting and not all(between.values()):
            between = {owner: [] for owner in spiking}
    result = []
    for place, owner in enumerate(spiking):
        feeders = tuple(between[owner])
        known = feeders and not set(feeders) & normalized
        result.append(
            Layer(owner, tuple(neurons[owner]), feeders if known else None, place == 0, place == len(spiking) - 1)
        )
    return tuple(result)


def numbers(owner: str) -> tuple[str, ...]:
    """Return the numbers in a module's name; modules with the same ones belong together."""
    return tuple(re.findall(r"\d+", owner))
