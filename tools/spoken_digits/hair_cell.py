"""Inner hair cell: from the velocity of the membrane to the firing probability of a nerve fiber.

Source: R. Meddis, "Simulation of mechanical to neural transduction in the auditory receptor", J. Acoust. Soc. Am.
79(3), 702-711 (1986); "Simulation of auditory-neural transduction: further studies", ibid. 83(3), 1056-1063 (1988);
constants of a fiber with a high spontaneous rate from R. Meddis, M. Hewitt and T. Shackleton, "Implementation details
of a computation model of the inner hair cell / auditory-nerve synapse", ibid. 87(4), 1813-1816 (1990).

Transmitter moves between a free pool q, the cleft c and a reprocessing store w:

    dq/dt = y max(M - q, 0) + x w - k q,   dc/dt = k q - (l + r) c,   dw/dt = r c - x w,
    k = g (s + A) / (s + A + B) where s + A > 0, else 0,

where s is the velocity of the membrane. A fiber fires within dt with probability h c dt.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

REPLENISH = 5.05  # y, 1/s
RELEASE = 2000.0  # g, 1/s
LOSS = 2500.0  # l, 1/s
RETURN = 6580.0  # r, 1/s
REPROCESS = 66.3  # x, 1/s
OFFSET = 5.0  # A, units of the stimulus
HALF = 300.0  # B, units of the stimulus
FIRING = 50000.0  # h, 1/s per unit of transmitter in the cleft
POOL = 1.0  # M, capacity of the free pool

MAX_PROBABILITY = np.float32(0.999)  # keeps log(1 - p) finite; speech stays far below
BLOCK = 64  # samples: arrays of this many rows stay in the CPU cache, which halves the time


def permeability(velocity: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return k(t) in 1/s for the velocity of the membrane, of any shape."""
    above = np.maximum(velocity + OFFSET, 0)
    return np.asarray(RELEASE * above / (above + HALF), dtype=np.float32)


def resting_state() -> tuple[float, float, float]:
    """Return the steady state (q, c, w) in silence."""
    k = RELEASE * OFFSET / (OFFSET + HALF)
    cleft = POOL * REPLENISH * k / (LOSS * k + REPLENISH * (LOSS + RETURN))
    return cleft * (LOSS + RETURN) / k, cleft, cleft * RETURN / REPROCESS


def firing_probability(velocity: NDArray[np.float32], *, rate: int) -> NDArray[np.float32]:
    """Return the probability in [0, 1) that a fiber fires in each sample: (samples, channels), as `velocity`.

    Forward Euler at `rate` Hz, starting in the steady state.
    """
    q, c, w = (np.full(velocity.shape[1], start, dtype=np.float32) for start in resting_state())
    replenish, reprocess, recover, keep, firing = (
        np.float32(a)
        for a in (REPLENISH / rate, REPROCESS / rate, RETURN / rate, 1 - (LOSS + RETURN) / rate, FIRING / rate)
    )
    ejected, reprocessed, other = np.empty_like(q), np.empty_like(q), np.empty_like(q)
    cleft = np.empty(velocity.shape, dtype=np.float32)
    for start in range(0, len(velocity), BLOCK):
        block = slice(start, start + BLOCK)
        for k, out in zip(permeability(velocity[block]) / np.float32(rate), cleft[block], strict=True):
            np.multiply(k, q, out=ejected)
            np.multiply(w, reprocess, out=reprocessed)
            np.subtract(np.float32(POOL), q, out=other)
            np.maximum(other, 0, out=other)
            other *= replenish
            other += reprocessed
            other -= ejected
            q += other
            np.multiply(c, recover, out=other)
            other -= reprocessed
            w += other
            c *= keep
            c += ejected
            np.multiply(c, firing, out=out)
        np.minimum(cleft[block], MAX_PROBABILITY, out=cleft[block])
    return cleft
