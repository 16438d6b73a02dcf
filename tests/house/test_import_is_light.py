"""What must start at once does not load torch, and importing spikecheck loads next to nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

EVERY_CHECK = "from spikecheck.checks.discovery import discover; discover()"


def loaded_by(code: str) -> set[str]:
    """Run code in a fresh interpreter and return the top-level modules it left loaded."""
    shown = code + "\nimport sys; print('LOADED', *sorted({name.partition('.')[0] for name in sys.modules}))"
    run = subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return set(run.stdout.rpartition("LOADED")[2].split())


def test_importing_spikecheck_loads_the_standard_library_alone() -> None:
    assert not loaded_by("import spikecheck") & {"torch", "numpy", "rich", "click", "snntorch", "sinabs"}


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("import spikecheck.checks", id="the package of checks"),
        pytest.param(EVERY_CHECK, id="every check"),
        pytest.param("import spikecheck.diagnosis", id="diagnosis"),
        pytest.param("import spikecheck.report.model", id="the report"),
        pytest.param("from spikecheck.cli import main; assert main(['--help']) == 0", id="spikecheck --help"),
        pytest.param("from spikecheck.cli import main; assert main(['checks']) == 0", id="spikecheck checks"),
        pytest.param(
            "from spikecheck.cli import main; assert main(['explain', 'SPK101']) == 0", id="spikecheck explain"
        ),
    ],
)
def test_torch_stays_out(code: str) -> None:
    assert "torch" not in loaded_by(code)


def test_attaching_loads_nothing_that_only_a_printed_report_needs() -> None:
    code = "from torch import nn; import spikecheck; spikecheck.attach(nn.Linear(2, 2))"
    assert "rich" not in loaded_by(code)


def test_the_probe_can_fail() -> None:
    assert "torch" in loaded_by("import torch")
