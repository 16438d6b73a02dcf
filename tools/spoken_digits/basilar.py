"""Basilar membrane: the hydrodynamic shallow-water model, solved in the frequency domain.

Source: N. Sieroka, H. G. Dosch and A. Rupp, "Semirealistic models of the cochlea", J. Acoust. Soc. Am. 120(1), 297-304
(2006), as used by B. Cramer, Y. Stradmann, J. Schemmel and F. Zenke for the Heidelberg data sets, "The Heidelberg
Spiking Data Sets for the Systematic Evaluation of Spiking Neural Networks", IEEE TNNLS 33(7), 2744-2757 (2022),
arXiv:1910.07407. The constants are those of the paper; units are cgs, lengths in cm.

At position x along the membrane, stiffness, damping and mass per area give the impedance

    xi(w, x) = S(x) - m w^2 - i w R(x),   S(x) = C0 exp(-alpha x) - a,   R(x) = delta sqrt(C0 m) exp(-alpha x / 2).

In a shallow channel of height h filled with a fluid of density rho, the pressure difference p obeys

    p'' + g^2 p = 0,   g(w, x) = w sqrt(rho / (h xi(w, x))),

with the approximate solution (WKB, with a Hankel function so that it is valid at the stiff end too)

    p(w, x) = sqrt(G / g) H0(G),   G(w, x) = (2 / alpha) g(w, 0) + integral of g(w, x') from 0 to x,

and the velocity of the membrane for a stimulus at the stapes is v = 2 w / xi * p(w, x) / p(w, 0) * Z(w), with the input
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
DELTA = 0.15  # damping, dimensionless
HEIGHT = 0.1  # h, cm
MASS = 0.05  # m, g/cm^2

Complex = NDArray[np.complex128]


def positions(channels: int = CHANNELS) -> NDArray[np.float64]:
    """Return the positions of the channels in cm, from base (high frequencies, channel 0) to apex: (channels,)."""
    return np.linspace(0.0, LENGTH_CM, channels)


def impedance(omega: NDArray[np.float64], x: NDArray[np.float64]) -> Complex:
    """Return xi(w, x) in g/(s^2 cm^2) for angular frequencies in 1/s and positions in cm, broadcast."""
    stiffness = C0 * np.exp(-ALPHA * x) - STIFFNESS_OFFSET
    damping = DELTA * np.sqrt(C0 * MASS) * np.exp(-ALPHA * x / 2)
    return np.asarray(stiffness - MASS * omega**2 - 1j * omega * damping)


def wave_number(omega: NDArray[np.float64], x: NDArray[np.float64]) -> Complex:
    """Return g(w, x), the local wave number in 1/cm; arguments as for `impedance`."""
    return np.asarray(omega * np.sqrt(RHO / (HEIGHT * impedance(omega, x))))


def phase(omega: NDArray[np.float64], x: NDArray[np.float64]) -> Complex:
    """Return G(w, x), dimensionless: the wave number integrated from the base to x.

    With xi = A y^2 + B y + C, the integral of dy / (y sqrt(xi)) is -log((2 sqrt(C xi) + B y + 2 C) / y) / sqrt(C).
    """
    root = 1j * np.sqrt(STIFFNESS_OFFSET + MASS * omega**2)  # sqrt(C), with C = -(a + m w^2)
    linear = -1j * omega * DELTA * np.sqrt(C0 * MASS)  # B
    y = np.exp(-ALPHA * x / 2)

    def log_argument(at: NDArray[np.float64], xi: Complex) -> Complex:
        return np.asarray((2 * root * np.sqrt(xi) + linear * at + 2 * root**2) / at)

    base = np.zeros(1)
    ratio = log_argument(y, impedance(omega, x)) / log_argument(np.ones(1), impedance(omega, base))
    integral = omega * np.sqrt(RHO / HEIGHT) * (2 / ALPHA) * -np.log(1 / ratio) / root
    return np.asarray(2 / ALPHA * wave_number(omega, base) + integral)


def pressure(omega: NDArray[np.float64], x: NDArray[np.float64]) -> Complex:
    """Return p(w, x), the pressure difference up to a factor that depends on w only; arguments as for `impedance`."""
    total = phase(omega, x)
    return np.asarray(np.sqrt(total / wave_number(omega, x)) * special.hankel1(0, total))


def input_impedance(omega: NDArray[np.float64]) -> Complex:
    """Return Z(w), the input impedance at the stapes.

    Z = sqrt(2 C0 / h) (i J0(z) + Y0(z)) / (J1(z) - i Y1(z)) with z = (2 w / alpha) sqrt(2 / (h C0)).
    """
    z = 2 * omega / ALPHA * np.sqrt(2 / (HEIGHT * C0))
    top = 1j * special.j0(z) + special.y0(z)
    return np.asarray(np.sqrt(2 * C0 / HEIGHT) * top / (special.j1(z) - 1j * special.y1(z)))


def transfer(omega: NDArray[np.float64], x: NDArray[np.float64]) -> Complex:
    """Return the velocity of the membrane at x for amplitude 1 and angular frequency w: 2 w / xi * p(x) / p(0) * Z.

    `omega` in 1/s, positive, shape (frequencies, 1) or similar; `x` in cm, shape (channels,).
    """
    ratio = pressure(omega, x) / pressure(omega, np.zeros(1))
    return np.asarray(2 * omega / impedance(omega, x) * ratio * input_impedance(omega))


@lru_cache(maxsize=4)
def _transfer_matrix(samples: int, rate: int, channels: int) -> NDArray[np.complex64]:
    """Return the transfer matrix (samples // 2 + 1, channels); cached, since one second of sound takes about 10 s."""
    omega = np.asarray(2 * np.pi * np.fft.rfftfreq(samples, 1 / rate), dtype=np.float64)
    matrix = np.zeros((len(omega), channels), dtype=np.complex64)
    matrix[1:] = transfer(omega[1:, None], positions(channels))
    return matrix


def velocity(wave: NDArray[np.floating[Any]], *, rate: int, channels: int = CHANNELS) -> NDArray[np.float32]:
    """Return the velocity of the membrane (samples, channels) for a sound of shape (samples,) at `rate` Hz.

    The equations assume exp(-i w t), the discrete Fourier transform exp(+i w t). The published conversion multiplies
    the two without conjugation, which reverses every impulse response in time: channels respond to a click before it
    occurs, by 0.1 ms at the base and 16 ms at the apex. This is reproduced here because the data set is modeled on
    SHD. The sound must have about 40 ms of silence at both ends, since the convolution is circular.
    """
    spectrum = fft.rfft(wave.astype(np.float32))
    response = fft.irfft(_transfer_matrix(len(wave), rate, channels) * spectrum[:, None], n=len(wave), axis=0)
    return np.asarray(response, dtype=np.float32)
