"""Words synthesized by espeak-ng, called through ctypes.

espeak-ng is free software under the GPL, version 3; the wheel `espeakng-loader` ships its library and voices. Neither
is needed to use the data set. The interface is that of espeak-ng's `speak_lib.h`.
"""

from __future__ import annotations

import ctypes
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikecheck.errors import SpikecheckError

SYNCHRONOUS, CHARACTERS, UTF8 = 2, 1, 1
RATE, PITCH, RANGE = 1, 3, 4  # numbers of espeak_PARAMETER
SILENT = 0.01  # fraction of the peak; quieter ends are pauses that espeak-ng adds around a sentence


@dataclass(frozen=True)
class Line:
    """A text and how to say it: `voice` as espeak-ng names it ("en-us", "de"), `timbre` one of its variants ("f2")."""

    text: str
    voice: str
    timbre: str
    words_per_minute: int = 150
    pitch: int = 50  # 0 to 99
    pitch_range: int = 50  # 0 to 99


def speak(lines: Sequence[Line]) -> tuple[int, list[NDArray[np.int16]]]:
    """Synthesize each line; return the sampling rate in Hz and one sound of shape (samples,) per line, pauses trimmed.

    espeak-ng carries state from one word to the next (the same line synthesized twice differs), so all lines are
    synthesized in order in one new process: the same lines give the same samples. Raises SpikecheckError for an unknown
    voice.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=context) as process:
        return process.submit(_speak, list(lines)).result()


def _speak(lines: list[Line]) -> tuple[int, list[NDArray[np.int16]]]:
    import espeakng_loader

    data = Path(espeakng_loader.get_data_path())
    library = ctypes.CDLL(str(espeakng_loader.get_library_path()))
    rate = library.espeak_Initialize(SYNCHRONOUS, 0, str(data).encode(), 0)
    if rate <= 0:
        raise SpikecheckError(f"espeak-ng cannot be initialized from {data}: reinstall espeakng-loader")
    pieces: list[NDArray[np.int16]] = []

    def receive(samples: Any, count: int, _events: Any) -> int:
        if samples and count > 0:
            pieces.append(np.ctypeslib.as_array(samples, shape=(count,)).copy())
        return 0

    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
    callback = kind(receive)
    library.espeak_SetSynthCallback(callback)
    sounds = []
    for line in lines:
        _choose(library, data, line)
        pieces.clear()
        text = line.text.encode()
        library.espeak_Synth(text, len(text) + 1, 0, CHARACTERS, 0, UTF8, None, None)
        library.espeak_Synchronize()
        sounds.append(trim(np.concatenate(pieces)))
    return rate, sounds


def _choose(library: ctypes.CDLL, data: Path, line: Line) -> None:
    name = f"{line.voice}+{line.timbre}"
    known = (data / "voices" / "!v" / line.timbre).is_file()  # espeak-ng ignores an unknown timbre silently
    if not known or library.espeak_SetVoiceByName(name.encode()) != 0:
        raise SpikecheckError(f"espeak-ng has no voice {name!r}: `Line.voice` and `Line.timbre` name its voices")
    library.espeak_SetParameter(RATE, line.words_per_minute, 0)
    library.espeak_SetParameter(PITCH, line.pitch, 0)
    library.espeak_SetParameter(RANGE, line.pitch_range, 0)


def trim(sound: NDArray[np.int16]) -> NDArray[np.int16]:
    """Remove the ends that stay below a hundredth of the peak; a silent sound becomes empty."""
    loud = np.flatnonzero(np.abs(sound.astype(np.int32)) > SILENT * np.abs(sound.astype(np.int32)).max(initial=0))
    return sound[loud[0] : loud[-1] + 1] if loud.size else sound[:0]
