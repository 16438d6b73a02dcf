"""Every kind of layer of every library, against the same expectations."""

from __future__ import annotations

import pytest

from tests.conformance.features import FEATURES, FOR_ALL, measured
from tests.conformance.features.compiling import OWN_BREAKS
from tests.conformance.table import Kind, kinds
from tests.full import every_time

KINDS = {str(kind): kind for kind in kinds()}
ASKED = [(name, title) for name, kind in KINDS.items() for title in (FEATURES if kind.main else FOR_ALL)]
NO_FUNC_GRAD = {"matterhorn_pytorch", "rockpool", "sinabs", "snntorch", "spikingjelly"}
NO_VMAP = {"matterhorn_pytorch", "norse", "rockpool", "sinabs", "snntorch"}
COMPILE = "`torch.compile`, eager and aot_eager: no break, no recompile"


def compiling(kind: Kind) -> str:
    """Why "no break, no recompile" is not asked of this kind; empty where it is."""
    if not kind.compiles:
        return "does not compile in one graph by itself"
    return OWN_BREAKS if kind.library in ("norse", "sinabs") else ""


def expected(kind: Kind, title: str) -> str:
    """What a cell says: "yes", or why the question does not arise for this kind; whatever else is a failure."""
    reasons = {
        "sees potentials": (not kind.potential, "the layer shows none"),
        "state carried over is found": (kind.reset is None, "the layer keeps none"),
        "activation checkpointing": (
            kind.library == "matterhorn_pytorch",
            "its compiled neurons do not run again inside a backward pass",
        ),
        "`torch.func`: functional_call and grad": (
            kind.library in NO_FUNC_GRAD,
            "its layers do not run inside `torch.func.grad`",
        ),
        "`torch.func`: vmap": (kind.library in NO_VMAP, "its layers do not run inside `torch.func.vmap`"),
        COMPILE: (compiling(kind) != "", compiling(kind)),
        "two threads in one model, evaluating": (
            kind.reset is not None or kind.library == "snntorch",
            "its layers keep their state on themselves, where two threads would share it",
        ),
        "weights drawn from N(0, 1) are found": (not kind.current, "the drive is made inside the layer"),
    }
    holds, reason = reasons.get(title, (False, ""))
    return reason if holds else "yes"


OFTEN = [case for case in ASKED if "compile" not in case[1] or KINDS[case[0]].library == "snntorch"]  # 20 s each


@pytest.mark.parametrize("case", every_time(ASKED, always=OFTEN), ids=lambda case: " ".join(case))
def test_contract(case: tuple[str, str]) -> None:
    name, title = case
    text, error = measured(title, name)
    if error is not None:
        raise AssertionError(f"{name} does not hold: {title}") from error
    assert text == expected(KINDS[name], title)
