"""Read NIR graphs, through `graph.py` in a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from spikecheck.checkpoint.budget import Budget
from spikecheck.checkpoint.source import BytesSource, FileSource
from spikecheck.checkpoint.tensorfile import read_safetensors
from spikecheck.errors import UnreadableError

CPU_SECONDS = 10  # 3,000 nodes took 1.5
WALL_SECONDS = 120  # the machine may be busy; the only limit on time where the system has no limit for a process
ENDLESS = "damaged: the HDF5 library does not finish reading it"
REFUSED = 3  # as in graph.py, which cannot be imported without h5py
OUT_OF_TIME = -getattr(signal, "SIGXCPU", 0)  # the exit code where the system has such a limit; Windows has none


def read_graph(source: FileSource, budget: Budget) -> tuple[dict[str, Any], str]:
    """Return the parameters of a NIR graph by `node.parameter`, in the order of the data flow, and the format's name.

    Raises:
        UnreadableError: it is no NIR graph, is damaged or unreasonably large; or h5py is not installed.
    """
    if find_spec("h5py") is None:
        raise UnreadableError('a NIR graph or another HDF5 file: to read it, pip install "spikecheck[nir]"')
    program = [sys.executable, str(Path(__file__).with_name("graph.py")), str(CPU_SECONDS)]
    try:
        process = subprocess.run(program, stdin=source.file, capture_output=True, timeout=WALL_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise UnreadableError(ENDLESS) from error
    if process.returncode == REFUSED:
        raise UnreadableError(process.stderr.decode(errors="replace"))
    if process.returncode and process.returncode == OUT_OF_TIME:
        raise UnreadableError(ENDLESS)
    if process.returncode < 0:
        raise UnreadableError(f"damaged: the HDF5 library crashed while reading it (signal {-process.returncode})")
    if process.returncode:
        last_line = process.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise UnreadableError(f"the HDF5 library failed to read it: {last_line[:120]!r}")
    return read_safetensors(BytesSource(process.stdout), budget)[0], "NIR graph"
