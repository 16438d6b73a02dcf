"""NIR graphs: reads what `graph.py` makes of one, in a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from spikecheck.checkpoint.source import BytesSource, FileSource
from spikecheck.checkpoint.tensorfile import read_tensorfile
from spikecheck.errors import UnreadableError

SECONDS = 10  # of computing: 3,000 nodes took 1.5
PATIENCE = 12  # times as long by the clock: the machine may be busy
ENDLESS = "damaged: the HDF5 library does not come to an end with it"
REFUSED = 3  # as in graph.py, which needs h5py to be imported


def read_graph(source: FileSource) -> tuple[dict[str, Any], str]:
    """The parameters of a NIR graph by `node.parameter`, in the order of the data flow, and the format in words.

    Raises:
        UnreadableError: it holds no graph, or what no graph holds; or h5py is not installed.
    """
    if find_spec("h5py") is None:
        raise UnreadableError('a NIR graph, or another HDF5 file: reading it needs pip install "spikecheck[nir]"')
    program = [sys.executable, str(Path(__file__).with_name("graph.py")), str(SECONDS)]
    try:
        run = subprocess.run(
            program, stdin=source.descriptor, capture_output=True, timeout=PATIENCE * SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise UnreadableError(ENDLESS) from error
    if run.returncode == REFUSED:
        raise UnreadableError(run.stderr.decode())
    if run.returncode == -signal.SIGXCPU:
        raise UnreadableError(ENDLESS)
    if run.returncode < 0:
        raise UnreadableError(f"damaged: the HDF5 library broke down over it (signal {-run.returncode})")
    if run.returncode:
        raise UnreadableError(f"the HDF5 library failed: {run.stderr.decode().strip().rpartition(chr(10))[2][:120]!r}")
    return read_tensorfile(BytesSource(run.stdout))[0], "NIR graph"
