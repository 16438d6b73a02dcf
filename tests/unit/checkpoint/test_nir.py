"""NIR graphs: what `nir.write` wrote is judged as any checkpoint is; what hangs or is no graph is refused in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest

from spikecheck.checkpoint import diagnose_file, graph
from spikecheck.checkpoint import nir as reader
from spikecheck.checkpoint.read import open_checkpoint
from spikecheck.cli import main
from spikecheck.errors import UnreadableError
from spikecheck.settings import Settings
from tests.promises import checkpoint_graphs as graphs


def saved(path: Path, made: Any) -> Path:
    nir.write(path / "net.nir", made)
    return path / "net.nir"


def findings(path: Path) -> list[str]:
    return [f"{f.check} {f.site.name}" for f in diagnose_file(path, settings=Settings()).findings]


def test_the_parameters_stand_in_the_order_of_the_data_flow(tmp_path: Path) -> None:
    with open_checkpoint(saved(tmp_path, graphs.graph())) as checkpoint:
        tensors = checkpoint.content.tensors
    assert list(dict.fromkeys(name.partition(".")[0] for name in tensors)) == ["z", "y", "x", "w"]
    assert tensors["z.weight"].shape == (8, 16)
    assert tensors["y.v_threshold"].shape == (8,)
    assert checkpoint.format == "NIR graph"


def test_a_healthy_graph_is_left_alone(tmp_path: Path) -> None:
    assert findings(saved(tmp_path, graphs.graph())) == []


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"tau": -0.01}, ["SPK505 y.tau"]),
        ({"v_threshold": 0.0}, ["SPK504 y.v_threshold"]),
        ({"v_threshold": np.nan}, ["SPK501 y.v_threshold"]),
        ({"v_threshold": 1e-3, "r": 1e3}, []),
    ],
)
def test_the_neurons_are_judged(changed: dict[str, float], expected: list[str], tmp_path: Path) -> None:
    assert findings(saved(tmp_path, graphs.graph(**changed))) == expected


def test_a_layer_without_a_threshold_is_one_of_neurons_by_what_it_leaks_to(tmp_path: Path) -> None:
    made = graphs.graph()
    one = np.ones(4, "float32")
    made.nodes["w"] = nir.LI(tau=-one, r=one, v_leak=one * 0)
    assert findings(saved(tmp_path, made)) == ["SPK505 w.tau"]


def test_the_weights_are_judged(tmp_path: Path) -> None:
    made = graphs.graph()
    made.nodes["z"].weight[:5] = 0
    made.nodes["x"].weight *= 1e4
    assert set(findings(saved(tmp_path, made))) == {"SPK506 z.weight", "SPK502 x.weight"}


def test_neurons_of_a_convolution_are_a_row_and_no_weights(tmp_path: Path) -> None:
    one = np.ones((3, 5, 5), "float32")
    layer = nir.IF(r=one * 1e4, v_threshold=one * 1e4)
    weight = (np.random.default_rng(0).random((3, 2, 3, 3), "float32") - 0.5) / 2
    convolution = nir.Conv2d((7, 7), weight, 1, 0, 1, 1, np.zeros(3, "float32"))
    path = saved(tmp_path, nir.NIRGraph.from_list(convolution, layer))
    with open_checkpoint(path) as checkpoint:
        shapes = {name: ref.shape for name, ref in checkpoint.content.tensors.items()}
    assert shapes["if.v_threshold"] == (75,)
    assert shapes["conv2d.weight"] == (3, 2, 3, 3)
    assert findings(path) == []


def test_a_graph_within_a_graph_is_read_under_its_name(tmp_path: Path) -> None:
    inner = graphs.graph(tau=-1.0)
    nodes = {"input": nir.Input(np.array([16])), "block": inner, "output": nir.Output(np.array([4]))}
    outer = nir.NIRGraph(nodes, [("input", "block"), ("block", "output")], type_check=False)
    assert findings(saved(tmp_path, outer)) == ["SPK505 block.y.tau"]


@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        ([("c", "b"), ("b", "a")], "cba"),
        ([("a", "b"), ("b", "a"), ("b", "c")], "abc"),
        ([("c", "a"), ("a", "b"), ("b", "a")], "cab"),
        ([("a", "c"), ("a", "b"), ("b", "c")], "abc"),
        ([("a", "nowhere"), ("nowhere", "b")], "cba"),
        ([], "cba"),
    ],
    ids=["backward_passes", "circle", "circle behind a begin", "shortcut", "unknown", "none"],
)
def test_the_order_is_that_of_the_edges(edges: list[tuple[str, str]], expected: str) -> None:
    assert "".join(graph.in_order(["a", "b", "c"], edges)) == expected


@pytest.mark.slow
def test_what_never_comes_to_an_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`nir.read` of this file does not return."""
    monkeypatch.setattr(reader, "CPU_SECONDS", 2)
    with pytest.raises(UnreadableError, match="the HDF5 library does not finish reading it"):
        diagnose_file(graphs.endless(tmp_path / "endless.nir"))


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", r"crashed while reading it \(signal 11\)"),
        ("import time; time.sleep(60)", "the HDF5 library does not finish reading it"),
        ("raise ImportError('no library of C')", "failed to read it: 'ImportError: no library of C'"),
    ],
    ids=["breaks down", "sleeps", "fails"],
)
def test_the_message_says_what_became_of_the_process(
    program: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path, graphs.graph())
    (tmp_path / "graph.py").write_text(program, encoding="utf-8")
    monkeypatch.setattr(reader, "__file__", str(tmp_path / "nir.py"))
    monkeypatch.setattr(reader, "WALL_SECONDS", 5)
    with pytest.raises(UnreadableError, match=message):
        diagnose_file(path)


def test_without_the_extra_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = saved(tmp_path, graphs.graph())
    monkeypatch.setattr(reader, "find_spec", lambda name: None)
    assert main(["diagnose", str(path)]) == 2
    message = capsys.readouterr().err
    assert 'pip install "spikecheck[nir]"' in message
    assert message.count("\n") == 1


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, graphs.graph())
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(UnreadableError, match="HDF5"):
        diagnose_file(path)


def test_the_program_and_its_caller_agree() -> None:
    assert reader.REFUSED == graph.REFUSED
