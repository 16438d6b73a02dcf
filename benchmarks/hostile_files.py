"""Try hostile and odd files with spikecheck, torch and scanners of pickles, and write the table of docs/security.md.

    python -m benchmarks.hostile_files --scanners /tmp/scanners --write

The scanners are no dependency: make an environment for them (`python -m venv /tmp/scanners`, then
`/tmp/scanners/bin/pip install picklescan modelscan fickling typing_extensions`). One that is not installed is left out.
The files are generated; a payload touches a canary file and does nothing else. Torch loads them with
`weights_only=True` alone.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.house.tree import ROOT
from tests.promises import pickles
from tests.promises.checkpoint_files import corpus

PAGE = ROOT / "docs" / "security.md"
BEGIN, END = "<!-- Written by benchmarks/hostile_files.py -->\n", "<!-- end -->"
SECONDS = 60  # after which a program is stopped
HANG = 10  # seconds for one file that count as a hang
# Imports a program once and forks for each file: most of them take longer to start than to read a small file.
FORK = """
import json, os, signal, sys, time, traceback
space = {}
exec(sys.argv[1], space)
for line in sys.stdin:
    path, start = json.loads(line), time.monotonic()
    child = os.fork()
    if child == 0:
        signal.alarm(int(sys.argv[2]))
        out = os.open(sys.argv[3], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(out, 1)
        os.dup2(out, 2)
        code = 70
        try:
            code = space["check"](path)
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else int(error.code is not None)
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code or 0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with open(sys.argv[3], errors="replace") as file:
        text = file.read()
    print(json.dumps([status, "Traceback (most recent call last)" in text, time.monotonic() - start]), flush=True)
"""
SPIKECHECK = """
from spikecheck.cli import main
import spikecheck.checkpoint.diagnose, spikecheck.checks.discovery
spikecheck.checks.discovery.discover()
def check(path): return main(["diagnose", path])
"""
TORCH = """
import torch
def nan(v):
    if isinstance(v, dict): return any(map(nan, v.values())) or any(map(nan, v))
    if isinstance(v, (list, tuple)): return any(map(nan, v))
    if isinstance(v, torch.TypedStorage): v = torch.empty(0, dtype=v.dtype).set_(v)
    return isinstance(v, torch.Tensor) and not v.is_meta and bool((v != v).any())
def check(path): return 3 if nan(torch.load(path, weights_only=True)) else 0
"""
LOADED_NAN = 3
SCANNERS = {
    "picklescan": """
import sys
from picklescan.cli import main
def check(path):
    sys.argv = ["picklescan", "-p", path]
    return main()
""",
    "modelscan": """
from modelscan.cli import cli
def check(path): return cli.main(["-p", path], standalone_mode=False)
""",
    "fickling": """
import zipfile
from fickling.loader import scan_file, scan_zip_archive
def check(path):
    if zipfile.is_zipfile(path):
        return int(not all(one.is_safe for one in scan_zip_archive(path, graceful=True).values()))
    return int(not scan_file(path, graceful=True).is_safe)
""",
}
Result = tuple[int, bool, float]  # exit code, a traceback, seconds


@dataclass(frozen=True)
class Sample:
    """A file: `payload` if loading it without weights_only would run something."""

    path: Path
    payload: bool


def samples(folder: Path) -> Iterator[Sample]:
    """Write the files: payloads in every form, odd and laborious ones, and mutations of valid ones."""
    cases, _ = corpus(folder)
    cases = [case for case in cases if os.path.isfile(case.path)]
    yield from (Sample(case.path, case.path.parent.name == "attacks") for case in cases)
    for maker in (pickles.hidden, pickles.laborious, pickles.odd):
        home = folder / maker.__name__
        home.mkdir()
        yield from (Sample(path, False) for _, path in maker(home))
    valid = [case.path for case in cases if case.path.parent.name == "healthy"]
    (folder / "mutated").mkdir()
    for number in range(60):
        chance = random.Random(number)
        source = chance.choice(valid)
        content = bytearray(source.read_bytes())
        for _ in range(3):
            content[chance.randrange(len(content))] = chance.randrange(256)
        path = folder / "mutated" / f"{number}{source.suffix}"
        path.write_bytes(content)
        yield Sample(path, False)


def run(python: Path, program: str, files: list[Sample]) -> list[Result]:
    """Return what a program says of each file; empty if it is not installed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    lines = "".join(json.dumps(str(one.path)) + "\n" for one in files)
    with tempfile.TemporaryDirectory() as folder:
        command = [str(python), "-W", "ignore", "-c", FORK, program, str(SECONDS), str(Path(folder) / "output")]
        done = subprocess.run(command, input=lines, capture_output=True, text=True, env=environment, cwd=folder)
    results = [(code, traceback, seconds) for code, traceback, seconds in map(json.loads, done.stdout.splitlines())]
    return results if len(results) == len(files) else []


def table(files: list[Sample], scanners: Path | None) -> str:
    """Return the table: a row per program."""
    own = Path(sys.executable)
    results = {"spikecheck diagnose": run(own, SPIKECHECK, files)}
    results["torch.load(weights_only=True)"] = run(own, TORCH, files)
    nan = [code == LOADED_NAN for code, _, _ in results["torch.load(weights_only=True)"]]
    for name, program in SCANNERS.items() if scanners is not None else ():
        results[name] = run(scanners / "bin" / "python", program, files)
    payloads = sum(one.payload for one in files)
    lines = [
        f"{len(files)} files, {payloads} of them with a payload, {sum(nan)} with a NaN.",
        "",
        "| program | payloads flagged | NaN missed | crashes | over 10 s |",
        "|---|---|---|---|---|",
    ]
    for name, answers in results.items():
        fine = [code == 0 or (name.startswith("torch") and code == LOADED_NAN) for code, _, _ in answers]
        caught = sum(one.payload and not is_fine for one, is_fine in zip(files, fine, strict=False))
        wrong = [one.path for one, has_nan, is_fine in zip(files, nan, fine, strict=False) if has_nan and is_fine]
        healthy = f"{len(wrong)} of {sum(nan)}" if name.startswith("spikecheck") else "-"
        broken = [one.path for one, (_, traceback, _) in zip(files, answers, strict=False) if traceback]
        traceback = "-" if name.startswith("torch") else str(len(broken))
        slow = [one.path for one, (_, _, seconds) in zip(files, answers, strict=False) if seconds > HANG]
        if answers:
            lines.append(f"| {name} | {caught} of {payloads} | {healthy} | {traceback} | {len(slow)} |")
        if name.startswith("spikecheck"):
            for what, paths in (("healthy", wrong), ("traceback", broken), ("slow", slow)):
                sys.stderr.writelines(f"{what}: {path.parent.name}/{path.name}\n" for path in paths)
    return "\n".join(lines) + "\n"


def main() -> int:
    """Print the table, or write it into the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scanners", type=Path, help="an environment with picklescan, modelscan and fickling")
    parser.add_argument("--write", action="store_true", help=f"write the table into {PAGE.relative_to(ROOT)}")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        text = table(list(samples(Path(name))), chosen.scanners)
        if (Path(name) / "canary").exists():
            raise SystemExit("a payload ran")
    sys.stdout.write(text)
    if chosen.write:
        page = PAGE.read_text(encoding="utf-8")
        before, rest = page.split(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}{text}{END}{rest.partition(END)[2]}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
