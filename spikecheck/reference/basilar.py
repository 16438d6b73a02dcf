"""How the basilar membrane moves: the hydrodynamic, shallow-water model, solved in the frequency domain.

Source: N. Sieroka, H. G. Dosch and A. Rupp, "Semirealistic models of the cochlea", J. Acoust. Soc. Am. 120(1), 297-304
(2006), as B. Cramer, Y. Stradmann, J. Schemmel and F. Zenke use it for the Heidelberg sets, "The Heidelberg Spiking
Data Sets for the Systematic Evaluation of Spiking Neural Networks", IEEE TNNLS 33(7), 2744-2757 (2022),
arXiv:1910.07407. The constants are theirs; units are cgs, lengths in cm.

A place x along the membrane has stiffness, damping and mass per area, hence the impedance

    xi(w, x) = S(x) - m w^2 - i w R(x),   S(x) = C0 exp(-alpha x) - a,   R(x) = delta sqrt(C0 m) exp(-alpha x / 2).

In a shallow channel of height h, filled with a fluid of density rho, the pressure difference p obeys

    p'' + g^2 p = 0,   g(w, x) = w sqrt(rho / (h xi(w, x))),

with the approximate solution (WKB, with a Hankel function so that it holds at the stiff end too)

    p(w, x) = sqrt(G / g) H0(G),   G(w, x) = (2 / alpha) g(w, 0) + integral of g(w, x') from 0 to x,

and the membrane's velocity for a stimulus at the stapes is v = 2 w / xi * p(w, x) / p(w, 0) * Z(w), with the input
impedance Z. The integral has a closed form: xi is a quadratic in y = exp(-alpha x / 2), and dx = -2 dy / (alpha y).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, special  # type: ignore[import-untyped]

CHANNELS = 700
LENGTH_CM = 3.5
ALPHA = 3.0  # 1/cm, how fast the stiffness falls
RHO = 1.0  # g/cm^3
C0 = 1e9  # g/(s^2 cm^2), stiffness at the base
STIFFNESS_OFFSET = 3500.0  # a, g/(s^2 cm^2)
DELTA = 0.15  # damping, without unit
HEIGHT = 0.1  # h, cm
MASS = 0.05  # m, g/cm^2

Complex = NDArray[np.complex128]


def places(channels: int = CHANNELS) -> NDArray[np.float64]:
    """Places of the channels in cm, base (high frequencies, channel 0) to apex: shape (channels,)."""
    return np.linspace(0.0, LENGTH_CM, channels)


def impedance(omega: NDArray[np.float64], x: NDArray[np.float64]) -> Complex:
    """xi(w, x) in g/(s^2 cm^2), for angular frequencies in 1/s and places in cm, broadcast against each other."""
    stiffness = C0 * np.exp(-ALPHA * x) - STIFFNESS_OFFSET
    damping = DELTA * np.sqrt(C0 * MASS) * np.exp(-ALPHA * x / 2)
    return np.asarray(stiffness - MASS * omega**2 - 1j * omega * damping)


def wave_number(omega: NDArray[np.float64], x: NDArray[np.float64]) -> Complex:
    """g(w, x) in 1/cm, the local wave number; arguments as for `impedance`."""
    return np.asarray(omega * np.sqrt(RHO / (HEIGHT * impedance(omega, x))))


def phase(omega: NDArray[np.float64], x: NDArray[np.float64]) -> Complex:
    """G(w, x), without unit: the wave number gathered on the way from the base to x.

    With xi = A y^2 + B y + C, the integral of dy / (y sqrt(xi)) is -log((2 sqrt(C xi) + B y + 2 C) / y) / sqrt(C).
    """
    root = 1j * np.sqrt(STIFFNESS_OFFSET + MASS * omega**2)  # sqrt(C), with C = -(a + m w^2)
    linear = -1j * omega * DELTA * np.sqrt(C0 * MASS)  # B
    y = np.exp(-ALPHA * x / 2)

    def inside(at: NDArray[np.float64], xi: Complex) -> Complex:
        return np.asarray((2 * root * np.sqrt(xi) + linear * at + 2 * root**2) / at)

    base = np.zeros(1)
    ratio = inside(y, impedance(omega, x)) / inside(np.ones(1), impedance(omega, base))
    gathered = omega * np.sqrt(RHO / HEIGHT) * (2 / ALPHA) * -np.log(1 / ratio) / root
    return np.asarray(2 / ALPHA * wave_number(omega, base) + gathered)


def pressure(omega: NDArray[np.float64], x: NDArray[np.float64]) -> Complex:
    """p(w, x), the pressure difference up to a factor that depends on w alone; arguments as for `impedance`."""
    gathered = phase(omega, x)
    return np.asarray(np.sqrt(gathered / wave_number(omega, x)) * special.hankel1(0, gathered))


def input_impedance(omega: NDArray[np.float64]) -> Complex:
    """Z(w) at the stapes: sqrt(2 C0 / h) (i J0(z) + Y0(z)) / (J1(z) - i Y1(z)), z = (2 w / alpha) sqrt(2 / (h C0))."""
    z = 2 * omega / ALPHA * np.sqrt(2 / (HEIGHT * C0))
    top = 1j * special.j0(z) + special.y0(z)
    return np.asarray(np.sqrt(2 * C0 / HEIGHT) * top / (special.j1(z) - 1j * special.y1(z)))


def transfer(omega: NDArray[np.float64], x: NDArray[np.float64]) -> Complex:
    """Velocity of the membrane at x for a stimulus of amplitude 1 and angular frequency w: 2 w / xi * p(x) / p(0) * Z.

    `omega` in 1/s, shape (frequencies, 1) or alike, all positive; `x` in cm, shape (channels,).
    """
    ratio = pressure(omega, x) / pressure(omega, np.zeros(1))
    return np.asarray(2 * omega / impedance(omega, x) * ratio * input_impedance(omega))


@lru_cache(maxsize=4)
def _transfer_matrix(samples: int, rate: int, channels: int) -> NDArray[np.complex64]:
    """Shape (samples // 2 + 1, channels). Bessel functions are slow: some 10 s for a second of sound, kept."""
    omega = np.asarray(2 * np.pi * np.fft.rfftfreq(samples, 1 / rate), dtype=np.float64)
    matrix = np.zeros((len(omega), channels), dtype=np.complex64)
    matrix[1:] = transfer(omega[1:, None], places(channels))
    return matrix


def velocity(wave: NDArray[np.floating[Any]], *, rate: int, channels: int = CHANNELS) -> NDArray[np.float32]:
    """Velocity of the membrane, shape (samples, channels), for a sound of shape (samples,) at `rate` Hz.

    The equations are written for exp(-i w t), the discrete Fourier transform for exp(+i w t). The published conversion
    multiplies the one with the other as they stand, which mirrors every impulse response in time: the channels answer a
    click before it comes, by 0.1 ms at the base and 16 ms at the apex. We keep it so, because the set is to look like
    SHD. The sound must bring silence of about 40 ms on both sides, since the convolution is circular.
    """
    spectrum = fft.rfft(wave.astype(np.float32))
    moved = fft.irfft(_transfer_matrix(len(wave), rate, channels) * spectrum[:, None], n=len(wave), axis=0)
    return np.asarray(moved, dtype=np.float32)
