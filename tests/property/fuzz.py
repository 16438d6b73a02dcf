"""Fuzz the reader of files, a target per format: `make fuzz SECONDS=3600` runs them all, a test runs each briefly.

A target is a Hypothesis strategy for files. Each file must be judged or refused in one line; what torch reads with a
NaN must not be healthy here. What breaks is written to `fuzz-failures/`, to become a regression test.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from spikecheck.checkpoint import diagnose_file
from spikecheck.checkpoint.diagnose import OWN_ERROR
from spikecheck.errors import UnreadableError
from spikecheck.settings import Settings
from tests.promises import pickles

FAILURES = Path("fuzz-failures")
SECONDS = 10  # of the processor, for one small file

names = st.sampled_from(
    ["w", "a.b", "a", "model", "state", "_parameters", "_orig_mod", "1", "lif1.threshold", "\u00e9\u202e\n"]
)
keys = st.one_of(
    names.map(pickles.text),
    st.integers(-2, 10**30).map(pickles.integer),
    names.map(lambda name: b"B" + len(name.encode()).to_bytes(4, "little") + name.encode()),
    st.lists(names.map(pickles.text), max_size=3).map(lambda parts: pickles.several(*parts)),
    st.just(b"N"),
    st.just(b"\x88"),
)
plain = st.one_of(st.just(b"N"), names.map(pickles.text), st.integers(0, 9).map(pickles.integer), st.just(b")"))
tensors = st.builds(
    pickles.tensor,
    st.sampled_from(["good", "bad"]),
    st.sampled_from(["FloatStorage", "FloatStorage", "FloatStorage", "IntStorage", "HalfStorage", "DoubleStorage"]),
    st.sampled_from([4, 4, 4, 2, 8]),
)


def containers(inner: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Return objects that hold others."""
    pairs = st.lists(st.tuples(keys, inner), max_size=4)
    states = st.builds(
        lambda state, groups: pickles.items((pickles.text("state"), state), (pickles.text("param_groups"), groups)),
        pairs.map(lambda some: pickles.items(*some)),
        st.lists(inner, max_size=2).map(lambda some: pickles.listed(*some)),
    )
    calls = st.sampled_from(["collections.OrderedDict", "builtins.set", "collections.Counter", "torch.Size", "x.Y"])
    return st.one_of(
        pairs.map(lambda some: pickles.items(*some)),
        st.lists(inner, max_size=4).map(lambda some: pickles.listed(*some)),
        st.lists(inner, max_size=3).map(lambda some: pickles.several(*some)),
        states,
        st.builds(lambda name, args: pickles.called(name, *args), calls, st.lists(inner, max_size=2)),
        st.builds(lambda target, key, value: target + key + value + b"s", inner, keys, inner),
        st.builds(lambda target, value: target + value + b"b", inner, inner),
    )


storages = st.sampled_from(["good", "bad"]).map(lambda key: pickles.storage(pickles.text(key)))
objects = st.recursive(st.one_of(tensors, plain, storages), containers, max_leaves=12)
raw = st.binary(max_size=200)
entry = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "F16", "I64", "X", 3, ["F32"]]),
        "shape": st.sampled_from([[4], [2, 2], [], [0], [-1], [2**70], "4", None]),
        "data_offsets": st.sampled_from([[0, 16], [0, 8], [8, 16], [16, 0], [0], None, [0, 2**70]]),
    }
)
headers = st.dictionaries(st.one_of(names, st.just("__metadata__")), st.one_of(entry, plain.map(str)), max_size=3)


def zipped(content: bytes) -> bytes:
    """Return a file of torch.save with this object in it."""
    with tempfile.TemporaryDirectory() as folder:
        return pickles.save(Path(folder) / "file.pt", content).read_bytes()


def headed(header: dict[str, Any]) -> bytes:
    """Return a file of safetensors with this header."""
    described = json.dumps(header).encode()
    return len(described).to_bytes(8, "little") + described + pickles.STORAGES["bad"]


def evidence(content: Any) -> bytes:
    """Return a checkpoint with this as the evidence of a run."""
    state = {"format": "spikecheck evidence", "version": 1, "content": json.dumps(content)}
    made = io.BytesIO()
    torch.save({"w": torch.zeros(2), "spikecheck": state}, made)
    return made.getvalue()


places = st.sampled_from(["run", "sites", "windows", "all", "w"])
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(places, inner, max_size=4)),
    max_leaves=10,
)
TARGETS: Mapping[str, st.SearchStrategy[bytes]] = {
    "zip": objects.map(zipped),
    "pickle": objects.map(pickles.whole),
    "bytes": st.builds(bytes.__add__, st.sampled_from([b"", b"\x80\x02", b"PK\x03\x04", b"}(", b"]("]), raw),
    "safetensors": headers.map(headed),
    "evidence": values.map(evidence),
}


def has_nan(value: Any) -> bool:
    """Return whether any tensor in a loaded object holds NaN, keys included."""
    if isinstance(value, dict):
        return any(has_nan(part) for pair in value.items() for part in pair)
    if isinstance(value, list | tuple | set):
        return any(map(has_nan, value))
    if isinstance(value, torch.TypedStorage):
        value = torch.empty(0, dtype=value.dtype).set_(value)
    return isinstance(value, torch.Tensor) and bool((value != value).any())


def torch_has_nan(path: Path) -> bool:
    """Return whether torch loads the file, with a NaN."""
    try:
        return has_nan(torch.load(path, weights_only=True))
    except Exception:  # noqa: BLE001 - torch raises many kinds for a file that it refuses
        return False


def refusal(path: Path) -> str:
    """Judge a file as `diagnose` does; return why it was refused, empty if it was judged."""
    try:
        report = diagnose_file(path, settings=Settings())
    except UnreadableError as error:
        return str(error)
    assert str(report).replace("\n", "").isprintable()
    assert report.to_json()
    assert not (report.ok and torch_has_nan(path)), "healthy here, and NaN in torch"
    return ""


def check(path: Path, content: bytes) -> None:
    """Judge a file, and compare with torch."""
    path.write_bytes(content)
    start = time.process_time()
    reason = refusal(path)
    assert OWN_ERROR not in reason, reason
    assert not reason or reason.isprintable()
    assert time.process_time() - start < SECONDS, "it takes too long"


def fuzz(target: str, path: Path, examples: int, number: int) -> None:
    """Check so many files of a target."""

    @seed(number)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.explicit, Phase.generate, Phase.target, Phase.shrink),
    )
    @given(TARGETS[target])
    def run(content: bytes) -> None:
        check(path, content)

    run()


def main(seconds: float) -> int:
    """Fuzz every target in turn until the time is over; return how many broke something."""
    end, number, broken = time.monotonic() + seconds, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.pt"
        while time.monotonic() < end:
            target = list(TARGETS)[number % len(TARGETS)]
            try:
                fuzz(target, path, 200, number)
            except AssertionError as error:
                broken += 1
                FAILURES.mkdir(exist_ok=True)
                saved = FAILURES / f"{target}-{number}.bin"
                saved.write_bytes(path.read_bytes())
                sys.stdout.write(f"{target}, seed {number}: {str(error).splitlines()[0]}: saved as {saved}\n")
            number += 1
    sys.stdout.write(f"{200 * number:,} files, {broken} broke something\n")
    return broken


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    raise SystemExit(main(parser.parse_args().seconds) > 0)
