"""What the cochlear nucleus makes of the fibres: bushy cells, leaky integrate-and-fire neurons with 40 fibres each.

Source: J. S. Rothman, E. D. Young and P. B. Manis, "Convergence of auditory nerve fibers onto bushy cells in the
ventral cochlear nucleus", J. Neurophysiol. 70(6), 2562-2583 (1993), in the form and with the constants of Cramer et al.
(2022), arXiv:1910.07407:

    tau_mem dV/dt = -V + tau_mem weight I,   tau_syn dI/dt = -I + (one unit for each fibre's spike),

threshold 1, reset to 0, and a refractory time after each spike. The fibres of a cell have the same firing probability
and weight, so only their number of spikes matters: of the fibres that are not refractory, a binomial number fires.
That is the same distribution as 40 fibres drawn one by one, at the price of one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FIBRES = 40
TAU_MEM_S = 1e-3
TAU_SYN_S = 5e-4
REFRACTORY_S = 1e-3  # of a fibre and of the cell alike
WEIGHT = 13e3 / FIBRES  # 1/s, rise of V for each unit of I


def binomial(
    uniform: NDArray[np.float32], trials: NDArray[np.float32], probability: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Binomial numbers by inversion: the smallest k whose cumulative probability reaches `uniform`; shape (cells,).

    `uniform` in [0, 1); `trials` whole numbers as floats; `probability` in [0, 1). One number a cell, so what is drawn
    for a sound does not depend on what is drawn beside it.
    """
    drawn = np.zeros_like(uniform)
    term = np.exp(trials * np.log1p(-probability))
    where = np.flatnonzero(uniform > term)
    u, n, p, term = uniform[where], trials[where], probability[where], term[where]
    total, odds = term.copy(), p / (1 - p)
    k = 0
    while where.size:
        k += 1
        term = term * odds * (n - (k - 1)) / k
        total += term
        drawn[where] = np.minimum(k, n)
        more = (u > total) & (k < n)
        where, u, n, odds, term, total = (a[more] for a in (where, u, n, odds, term, total))
    return drawn


def fire(
    probability: NDArray[np.float32], *, rate: int, generators: Sequence[np.random.Generator]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Spikes of the bushy cells: (sample, cell) of each, in order of time.

    `probability`: firing probability of a fibre in each sample, shape (samples, cells). The cells are shared out evenly
    over `generators`, in order: sounds laid side by side keep their own random numbers, so that what is computed
    together does not change what comes out.
    """
    samples, cells = probability.shape
    each = cells // len(generators)
    uniform = np.hstack([g.random((samples, each), dtype=np.float32) for g in generators])
    dead = math.ceil(REFRACTORY_S * rate) - 1  # samples after a fibre's spike in which it cannot fire
    recent = np.zeros((dead + 1, cells), dtype=np.float32)
    free = np.full(cells, FIBRES, dtype=np.float32)
    potential, current = np.zeros(cells, dtype=np.float32), np.zeros(cells, dtype=np.float32)
    resting = np.zeros(cells, dtype=np.int32)  # samples until a cell's refractory time is over
    keep_potential, keep_current = (
        np.float32(math.exp(-1 / (rate * TAU_MEM_S))),
        np.float32(math.exp(-1 / (rate * TAU_SYN_S))),
    )
    rise = np.float32(WEIGHT / rate)
    fired: list[NDArray[np.intp]] = []
    for step in range(samples):
        slot = recent[step % len(recent)]
        free += slot  # what fired `dead` + 1 samples ago may fire again
        slot[:] = binomial(uniform[step], free, probability[step])
        free -= slot
        current *= keep_current
        current += slot
        potential *= keep_potential
        potential += current * rise
        potential[resting > 0] = 0
        resting -= 1
        over = np.flatnonzero(potential >= 1)
        potential[over] = 0
        resting[over] = math.ceil(REFRACTORY_S * rate)
        fired.append(over)
    times = np.repeat(np.arange(samples), [len(over) for over in fired])
    return times, np.concatenate(fired) if fired else np.zeros(0, dtype=np.intp)
