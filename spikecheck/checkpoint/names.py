"""What the keys of a checkpoint say: which tensor is what, which layer feeds which, in which order."""

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
MIXED = ("lookup", "embed")


@dataclass(frozen=True)
class Named:
    """One tensor by its name: the module it belongs to, its own name, and its role."""

    name: str
    owner: str
    leaf: str
    role: str  # "weight", "bias", "neuron" or "buffer"
    means: str = ""  # of a neuron's: "threshold", "decay" or "tau"


def sorted_out(shapes: Mapping[str, tuple[int, ...]], floating: Mapping[str, bool]) -> tuple[Named, ...]:
    """Every tensor with its role, in the order of the file."""
    leaves: dict[str, set[str]] = {}
    for name in shapes:
        owner, _, leaf = name.rpartition(".")
        leaves.setdefault(owner, set()).add(leaf)
    return tuple(role(name, shape, leaves, floating[name]) for name, shape in shapes.items())


def role(name: str, shape: tuple[int, ...], leaves: Mapping[str, set[str]], floating: bool) -> Named:
    """The role of one tensor, by its name, its shape, and what stands beside it."""
    owner, _, leaf = name.rpartition(".")
    beside = leaves[owner]
    if meaning := neuron(leaf, owner, beside) if len(shape) < 2 or shape[1:] == (1,) * len(shape[1:]) else "":
        return Named(name, owner, leaf, "neuron", meaning)
    if not floating or leaf in BUFFERS or leaf in STATES:
        return Named(name, owner, leaf, "buffer")
    if len(shape) > 1:
        return Named(name, owner, leaf, "weight")
    return Named(name, owner, leaf, "bias" if leaf.startswith("bias") else "buffer")


def neuron(leaf: str, owner: str, beside: Iterable[str]) -> str:
    """What a neuron's parameter means; empty where it is none. A beta beside a gamma belongs to a normalisation."""
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
    """A spiking layer: its neurons' parameters by meaning, and the weighted modules that feed it; None is unknown."""

    owner: str
    parameters: tuple[Named, ...]
    feeders: tuple[str, ...] | None
    first: bool
    last: bool


def layers(named: Iterable[Named]) -> tuple[Layer, ...]:
    """The spiking layers in the order of the keys, each with what feeds it.

    The modules of a network are usually made in the order in which data passes them: what stands between two spiking
    layers feeds the second. Where all weights stand before all neurons (two lists of modules), equal numbers in the
    names belong together. Where neither holds, nothing is said.
    """
    given = tuple(named)
    owners = list(dict.fromkeys(n.owner for n in given))
    neurons: dict[str, list[Named]] = {}
    for one in given:
        if one.role == "neuron":
            neurons.setdefault(one.owner, []).append(one)
    spiking = [owner for owner in owners if owner in neurons]
    weighted = {n.owner for n in given if n.role == "weight"}
    normalised = {n.owner for n in given if n.leaf in ("running_mean", "running_var")}
    normalised |= {n.owner for n in given if n.leaf == "weight" and n.role == "buffer"}
    between: dict[str, list[str]] = {}
    waiting: list[str] = []
    for owner in owners:
        if owner in neurons:
            between[owner], waiting = waiting, []
        elif owner in weighted or owner in normalised:
            waiting.append(owner)
    if not all(between.values()):
        between = {owner: alike(owner, weighted | normalised) for owner in spiking}
        if waiting and not all(between.values()):
            between = {owner: [] for owner in spiking}
    made = []
    for place, owner in enumerate(spiking):
        feeders = tuple(between[owner])
        known = feeders and not set(feeders) & normalised
        made.append(
            Layer(owner, tuple(neurons[owner]), feeders if known else None, place == 0, place == len(spiking) - 1)
        )
    return tuple(made)


def alike(owner: str, others: Iterable[str]) -> list[str]:
    """The modules whose name holds the same numbers."""
    numbers = re.findall(r"\d+", owner)
    return [other for other in sorted(others) if numbers and re.findall(r"\d+", other) == numbers]
