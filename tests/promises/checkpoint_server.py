"""Diagnoses files, each in a process of its own with little memory and time, without paying for torch each time.

Reads a JSON list of jobs from standard input, and writes one JSON line a job. Torch is imported once; a process is
forked for every file, its address space limited to what it has plus `SPARE`, its work to `SECONDS` of the processor,
and its life to `PATIENCE` seconds, since other programs take the processor too.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import tempfile
import time

import torch

from spikecheck.checkpoint import diagnose_file
from spikecheck.checkpoint.diagnose import OWN_ERROR
from spikecheck.errors import UnreadableError
from spikecheck.settings import Settings

SPARE = 400 << 20
SECONDS = 10
PATIENCE = 120


def size() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def answer(job: dict) -> dict:
    """What diagnose_file says; anything but a report or an UnreadableError is a fault of ours."""
    try:
        report = diagnose_file(job["path"], unsafe_pickle=job.get("unsafe", False), settings=Settings())
    except UnreadableError as error:
        return {"fault" if OWN_ERROR in str(error) else "refused": str(error)}
    except BaseException as error:  # noqa: BLE001 - also what a test must see
        return {"fault": f"{type(error).__name__}: {error}"}
    findings = [f"{f.check} {f.site.name}" for f in report.findings]
    return {
        "findings": findings,
        "headline": report.headline,
        "unseen": list(map(str, report.unseen)),
        "text": str(report),
    }


def forked(job: dict) -> dict:
    """The answer of a child, or how it died."""
    read, write = os.pipe()
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        os.close(read)
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        signal.alarm(PATIENCE)
        resource.setrlimit(resource.RLIMIT_AS, (size() + SPARE,) * 2)
        try:
            content = json.dumps(answer(job)).encode()
        except MemoryError:
            content = b'{"fault": "MemoryError"}'
        with os.fdopen(write, "wb") as pipe:
            pipe.write(content)
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        content = pipe.read()
    _, status = os.waitpid(child, 0)
    answer_of_child = json.loads(content) if content else {"fault": f"died with status {status}"}
    return answer_of_child | {"seconds": round(time.monotonic() - start, 3)}


def main() -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:  # what every child needs is loaded once
        path = os.path.join(folder, "first.pt")
        torch.save({"fc.weight": torch.full((2, 2), float("nan"))}, path)
        answer({"path": path})
    for job in json.load(sys.stdin):
        sys.stdout.write(json.dumps({"name": job["name"], **forked(job)}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
