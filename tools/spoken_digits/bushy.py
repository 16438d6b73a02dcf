"""Bushy cells of the cochlear nucleus: leaky integrate-and-fire neurons, each with 40 auditory nerve fibers.

Source: J. S. Rothman, E. D. Young and P. B. Manis, "Convergence of auditory nerve fibers onto bushy cells in the
ventral cochlear nucleus", J. Neurophysiol. 70(6), 2562-2583 (1993), in the form and with the constants of Cramer et al.
(2022), arXiv:1910.07407:

    tau_mem dV/dt = -V + tau_mem weight I,   tau_syn dI/dt = -I + (one unit per fiber spike),

threshold 1, reset to 0, and a refractory period after each spike. The fibers of one cell have the same firing
probability and weight, so only the number of their spikes matters: the spike count of the fibers that are not
refractory is binomial. This is the same distribution as 40 fibers drawn individually, at the cost of one draw.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FIBERS = 40
TAU_MEM_S = 1e-3
TAU_SYN_S = 5e-4
REFRACTORY_S = 1e-3  # of fiber and cell
WEIGHT = 13e3 / FIBERS  # 1/s, increase of V per unit of I


def binomial(
    uniform: NDArray[np.float32], trials: NDArray[np.float32], probability: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Draw binomial numbers by inversion: the smallest k whose cumulative probability reaches `uniform`; (cells,).

    `uniform` in [0, 1); `trials` integers as floats; `probability` in [0, 1). One uniform number per cell, so the draws
    of one sound do not depend on the sounds computed with it.
    """
    numbers = np.zeros_like(uniform)
    term = np.exp(trials * np.log1p(-probability))
    where = np.flatnonzero(uniform > term)
    u, n, p, term = uniform[where], trials[where], probability[where], term[where]
    total, odds = term.copy(), p / (1 - p)
    k = 0
    while where.size:
        k += 1
        term = term * odds * (n - (k - 1)) / k
        total += term
        numbers[where] = np.minimum(k, n)
        unfinished = (u > total) & (k < n)
        where, u, n, odds, term, total = (a[unfinished] for a in (where, u, n, odds, term, total))
    return numbers


def fire(
    probability: NDArray[np.float32], *, rate: int, generators: Sequence[np.random.Generator]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the spikes of the bushy cells as (sample, cell) indices, in order of time.

    `probability`: firing probability of a fiber in each sample, shape (samples, cells). The cells are divided evenly
    among `generators`, in order: each sound has its own random numbers, so the result for a sound does not depend on
    the sounds computed with it.
    """
    samples, cells = probability.shape
    each = cells // len(generators)
    uniform = np.hstack([g.random((samples, each), dtype=np.float32) for g in generators])
    refractory = math.ceil(REFRACTORY_S * rate) - 1  # samples after a fiber's spike in which it cannot fire
    recent = np.zeros((refractory + 1, cells), dtype=np.float32)
    free = np.full(cells, FIBERS, dtype=np.float32)
    potential, current = np.zeros(cells, dtype=np.float32), np.zeros(cells, dtype=np.float32)
    resting = np.zeros(cells, dtype=np.int32)  # samples until the refractory period of a cell ends
    decay_potential, decay_current = (
        np.float32(math.exp(-1 / (rate * TAU_MEM_S))),
        np.float32(math.exp(-1 / (rate * TAU_SYN_S))),
    )
    rise = np.float32(WEIGHT / rate)
    spikes: list[NDArray[np.intp]] = []
    for step in range(samples):
        slot = recent[step % len(recent)]
        free += slot  # fibers that fired `refractory` + 1 samples ago may fire again
        slot[:] = binomial(uniform[step], free, probability[step])
        free -= slot
        current *= decay_current
        current += slot
        potential *= decay_potential
        potential += current * rise
        potential[resting > 0] = 0
        resting -= 1
        over = np.flatnonzero(potential >= 1)
        potential[over] = 0
        resting[over] = math.ceil(REFRACTORY_S * rate)
        spikes.append(over)
    times = np.repeat(np.arange(samples), [len(over) for over in spikes])
    return times, np.concatenate(spikes) if spikes else np.zeros(0, dtype=np.intp)
