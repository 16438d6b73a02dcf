"""The wheel and the sdist: what is in them, and that they work where no checkout is."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from spikecheck.settings import tomllib
from tests.house.tree import ROOT

MOST_MEGABYTES = 4  # 2.8 of them are the spoken digits
DEVELOPMENT = {"dev", "docs", "conformance", "test", "tests", "lint"}
SCRIPT = """
import spikecheck, torch
from torch import nn
import snntorch
from pathlib import Path

assert not Path(spikecheck.__file__).is_relative_to({root!r})
net = nn.ModuleDict({{"fc": nn.Linear(20, 5), "lif": snntorch.Leaky(beta=0.9, threshold=100.0)}})
optimizer = torch.optim.Adam(net.parameters())
with spikecheck.attach(net, on_finding=lambda finding: None) as monitor:
    for _ in range(3):
        mem, out = net["lif"].reset_mem(), 0
        for _ in range(10):
            spikes, mem = net["lif"](net["fc"](torch.rand(8, 20)), mem)
            out = out + spikes
        loss = nn.functional.cross_entropy(out, torch.arange(8) % 5)
        optimizer.zero_grad(); loss.backward(); optimizer.step()
report = monitor.report()
report.to_html("report.html")
print([cause.finding.check for cause in report.root_causes])
"""


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_what_only_a_checkout_needs_is_no_extra() -> None:
    assert not project()["project"]["optional-dependencies"].keys() & DEVELOPMENT
    assert project()["dependency-groups"].keys() & DEVELOPMENT


def test_the_citation_has_the_version() -> None:
    from spikecheck import __version__

    assert f"version: {__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    pip = [sys.executable, "-m", "pip"]
    build = tmp_path_factory.mktemp("build")
    venv.create(build, with_pip=True)
    python = str(build / "bin" / "python")
    for command in (
        [python, "-m", "pip", "install", "-q", "hatchling", "hatch-fancy-pypi-readme"],
        [python, "-m", "hatchling", "build", "-t", "sdist", "-d", str(folder)],
    ):
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (sdist,) = folder.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "source", filter="data")
    (source,) = (folder / "source").iterdir()
    subprocess.run([*pip, "wheel", "-q", "--no-deps", "-w", str(folder), str(source)], check=True, capture_output=True)
    return folder


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [one for one in archive.namelist() if one.endswith(".dist-info/METADATA")]
        return message_from_bytes(archive.read(name))


@pytest.mark.full
def test_the_wheel_is_small_and_its_description_has_no_dead_link(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    assert wheel.stat().st_size < MOST_MEGABYTES * 1e6
    facts = metadata(wheel)
    assert facts["Author"] == "spikecheck developers"
    assert not set(facts.get_all("Provides-Extra", [])) & DEVELOPMENT
    text = str(facts.get_payload())
    assert "attach(model)" in text
    assert re.findall(r"\]\((?!https?://)[^)]*\)", text) == []


@pytest.mark.full
def test_the_sdist_has_what_its_makefile_names(built: Path) -> None:
    (source,) = (built / "source").iterdir()
    makefile = (source / "Makefile").read_text(encoding="utf-8")
    names = set(re.findall(r"(?<![\w/.$])((?:tests|docs|tools|benchmarks)/[\w/.]+\.(?:py|txt))", makefile))
    names |= {
        f"{module.replace('.', '/')}" for module in re.findall(r"python -m ((?:tests|benchmarks)[\w.]+)", makefile)
    }
    assert names
    missing = [name for name in names if not ((source / name).exists() or (source / f"{name}.py").exists())]
    assert not missing
    for name in ("README.md", "SECURITY.md", "CHANGELOG.md", "constraints.txt", "LICENSE"):
        assert (source / name).is_file()


@pytest.mark.full
def test_the_wheel_works_where_no_checkout_is(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    target = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(target), str(wheel)]
    subprocess.run(pip, check=True, capture_output=True)
    (tmp_path / "train.py").write_text(SCRIPT.format(root=str(ROOT)), encoding="utf-8")

    def run(*arguments: str) -> str:
        environment = {"PYTHONPATH": str(target), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "SPK205" in run("train.py")
    assert (tmp_path / "report.html").stat().st_size > 10_000
    assert "SPK203 dead-layer" in run("-m", "spikecheck", "explain", "203")
