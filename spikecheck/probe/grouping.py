"""Which applications of one forward pass belong to one layer, and in which order of time steps.

The evidence in its order: the chain of states in the graph; where several applications continue one state, the one at
the same call site; chains of one call site that are fed by the same weights, one after another, as truncated
backpropagation leaves them; without any chain, the weights; at last the call sites alone. What these leave open is
undecided, and said to be.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import torch

from spikecheck.probe.applications import Application, without_common_frames
from spikecheck.probe.state_chains import nearest_weights, previous_applications

ONE_SITE = "one call site without a state that the graph shows: it may be one layer or several"
MAX_LAYERS = 32  # of one shape, between an application and its copy
UNEVEN = "its call sites run different numbers of times, and no state is seen that connects them"


@dataclass
class Grouping:
    """Indices of the applications of each layer, in the order of time; `copies` repeat the spikes of others."""

    layers: list[list[int]]
    copies: set[int] = field(default_factory=set)
    by_state: bool = False  # the graph showed a state that connects the time steps
    undecided: str = ""


def group(applications: Sequence[Application]) -> Grouping:
    """Group what one forward pass showed."""
    paths = without_common_frames(applications)
    sites: list[Hashable] = [(p, a.function, a.output.shape) for p, a in zip(paths, applications, strict=True)]
    copies = repeated(applications, sites)
    originals = [i for i in range(len(applications)) if i not in copies]
    inner = _group([applications[i] for i in originals], [sites[i] for i in originals])
    layers = sorted([[originals[i] for i in members] for members in inner.layers], key=min)
    return Grouping(layers, copies, inner.by_state, inner.undecided)


def repeated(applications: Sequence[Application], sites: Sequence[Hashable]) -> set[int]:
    """Return the applications whose argument holds the values of an earlier one's: a copy of the spikes, for a reset.

    A call site all of whose applications but for the first time step are copies shows no layer of its own.
    """
    recent: dict[tuple[type, torch.Size], list[torch.Tensor]] = {}
    copies: set[int] = set()
    for index, application in enumerate(applications):
        values = application.input()
        if values is None or values.is_meta or application.source is None:
            continue
        earlier = recent.setdefault((application.function, values.shape), [])
        if any(torch.equal(values, other) for other in earlier):
            copies.add(index)
        else:
            earlier.append(values)
            del earlier[:-MAX_LAYERS]  # a copy is made within the time step, or at the beginning of the next one
    for site in {sites[index] for index in copies}:
        members = [index for index, other in enumerate(sites) if other == site]
        fresh = [index for index in members if index not in copies]
        if all(applications[index].source is None for index in fresh):
            copies.update(fresh)
        else:
            copies.difference_update(members)
    return copies


def _group(applications: Sequence[Application], sites: Sequence[Hashable]) -> Grouping:
    """Group applications of which none is a copy."""
    previous = previous_applications(applications)
    with_graph = any(a.source is not None for a in applications)
    if any(index is not None for index in previous):
        chains = chains_of(previous, applications, sites)
        if is_even(chains, sites):
            return Grouping(chains, by_state=True)
    elif with_graph:
        by_weight = together(
            [(site, weights_of(application)) for site, application in zip(sites, applications, strict=True)]
        )
        if len(by_weight) > 1 and len({len(members) for members in by_weight}) == 1:
            return Grouping(by_weight)
    by_site = together(sites)
    if len(applications) == 1 or (len(by_site) > 1 and len({len(members) for members in by_site}) == 1):
        return Grouping(by_site)
    return Grouping(by_site, undecided=ONE_SITE if len(by_site) == 1 else UNEVEN)


def together(keys: Sequence[Hashable]) -> list[list[int]]:
    """Return the positions of each key."""
    groups: dict[Hashable, list[int]] = {}
    for index, key in enumerate(keys):
        groups.setdefault(key, []).append(index)
    return list(groups.values())


def weights_of(application: Application) -> tuple[int, ...]:
    """Return which weights feed an application, whatever their order."""
    return tuple(sorted(id(weight) for weight in nearest_weights(application)))


def is_even(chains: Sequence[Sequence[int]], sites: Sequence[Hashable]) -> bool:
    """Return whether all chains of a call site are of one length, and longer than a single application."""
    lengths: dict[Hashable, set[int]] = {}
    for chain in chains:
        lengths.setdefault(sites[chain[-1]], set()).add(len(chain))
    return all(len(of_site) == 1 and of_site != {1} for of_site in lengths.values())


def chains_of(
    previous: Sequence[int | None], applications: Sequence[Application], sites: Sequence[Hashable]
) -> list[list[int]]:
    """Return the applications that continue each other's state, as chains."""
    chains = linked(previous, sites)
    join_first_steps(chains, applications, sites)
    chains = [part for chain in chains for part in by_turns(chain, sites)]
    return joined_segments(chains, applications, sites)


def linked(previous: Sequence[int | None], sites: Sequence[Hashable]) -> list[list[int]]:
    """Return chains; where several applications continue one, those at another call site stand beside it."""
    following: dict[int, list[int]] = {}
    for index, before in enumerate(previous):
        if before is not None:
            following.setdefault(before, []).append(index)
    last: dict[int, list[int]] = {}  # the chain that ends with an application
    chains: list[list[int]] = []
    for index, before in enumerate(previous):
        chain = None if before is None else last.get(before)
        if before is not None and len(following[before]) > 1:
            same = [other for other in following[before] if sites[other] == sites[before]]
            chain = None if same and index not in same else chain
        if chain is None:
            chain = []
            chains.append(chain)
        elif before is not None:
            del last[before]
        chain.append(index)
        last[index] = chain
    return chains


def join_first_steps(chains: list[list[int]], applications: Sequence[Application], sites: Sequence[Hashable]) -> None:
    """Put a first step whose potential is still a constant, so that it has no node, before the chain it begins."""
    for site in dict.fromkeys(sites):
        alone = [c for c in chains if len(c) == 1 and applications[c[0]].source is None and sites[c[0]] == site]
        heads = [c for c in chains if len(c) > 1 and sites[c[0]] == site]
        if not alone or not heads or len(alone) % len(heads):
            continue
        nexts = [next((head for head in heads if head[0] > one[0]), None) for one in alone]
        each = len(alone) // len(heads)
        if any(following is None for following in nexts):
            continue
        if any(sum(following is head for following in nexts) != each for head in heads):
            nexts = [heads[i % len(heads)] for i in range(len(alone))]  # all first steps, then the rest
        for one, head in reversed(list(zip(alone, nexts, strict=True))):
            if head is not None:
                head.insert(0, one[0])
                chains.remove(one)


def by_turns(chain: list[int], sites: Sequence[Hashable]) -> list[list[int]]:
    """Return a chain that passes several call sites in turn as one chain per site: several surrogates per step."""
    visited = [sites[index] for index in chain]
    for period in range(2, len(chain) // 2 + 1):
        if len(chain) % period == 0 and len(set(visited[:period])) > 1 and visited[period:] == visited[:-period]:
            return [chain[turn::period] for turn in range(period)]
    return [chain]


def joined_segments(
    chains: list[list[int]], applications: Sequence[Application], sites: Sequence[Hashable]
) -> list[list[int]]:
    """Join chains of one site that the same weights feed, one after another: a state that was cut from the graph."""
    joined = []
    for same in together([(sites[chain[-1]], weights_of(applications[chain[-1]])) for chain in chains]):
        segments = sorted((chains[i] for i in same), key=min)
        in_turn = all(before[-1] < after[0] for before, after in pairwise(segments))
        if len(segments) > 1 and in_turn and weights_of(applications[segments[0][-1]]):
            joined.append([index for segment in segments for index in segment])
        else:
            joined += segments
    return joined
