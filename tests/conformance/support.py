"""Writes docs/frameworks.md from what the suite measures: `python -m tests.conformance.support`."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from tests.conformance.features import FEATURES, FOR_ALL, measured
from tests.conformance.inductor import section
from tests.conformance.table import Kind, kinds

PAGE = Path(__file__).resolve().parents[2] / "docs" / "frameworks.md"
PREFACE = """<!-- Written by tests/conformance/support.py: `make docs`. -->

# Which libraries, and what holds for each

Every cell is measured by the conformance suite (`make conformance`), on the same two-layer network in each library, on
the CPU. A number refers to the reason below the table why the question does not arise. Where a neuron cannot spike
several times in a step, "yes" in that row means that nothing is said of it. The suite fails where this page says
anything else than what it measures.
"""
BY_HAND = """## Libraries that the suite does without

Tried by hand with torch 2.13.0 on the CPU and Python 3.11, on two layers as above; `pip install --no-deps` each,
since what they ask for would bring another torch.

- **btorch** 0.1.0, with jaxtyping, wadler-lindig, omegaconf, xarray and pandas. Its neurons are found automatically,
  by their own names, step by step, and every spike is counted. Potentials are not seen.
- **lava-dl** 0.6.0 with lava-nc 0.10.0, which ask for Python 3.10 and a torch below 2.4: `--ignore-requires-python`,
  with h5py, networkx and opencv-python-headless. PyPI's torchvision 0.28.0 does not load beside the CPU build of
  torch, so an empty module stood in its place. Neurons of `slayer` are found automatically, by the neuron of a block,
  its delay, or the block itself, some of them twice. Nothing in the graph tells that time is the last axis: the
  report says "unknown" and counts no neurons, until `attach(model, time=-1)` tells.
- **bindsnet** 0.3.4, which asks for torch 2.14, with pandas, gymnasium, opencv-python-headless, tensorboardX,
  scikit-image and the same empty module. `Network.run` goes past the hooks: nothing is seen, and the report says so.
  Its own monitors have what to tap, after a run: `for step in monitor.get("s"): spikecheck.tap("Y", step)`; every
  spike is counted then. A connection's infinite bounds are parameters and bring SPK405:
  `ignore=["SPK405:X_to_Y.wmin", "SPK405:X_to_Y.wmax"]`.
- **braincog** 0.2.7.19 asks for torchvision, torchaudio, timm, pygame and dv, which bring another torch. Networks in
  its manner are part of the suite, and so are networks in the manner of lava-dl, of bindsnet and of stork, which is
  not on PyPI (the package of that name is another project): `tests/conformance/module_styles.py`.
"""


def table(chosen: list[Kind], heads: list[str], titles: list[str], *, across: bool) -> str:
    """Cells of features by kinds; the kinds stand in the columns (`across`) or in the rows."""
    reasons: list[str] = []

    def cell(kind: Kind, title: str) -> str:
        text, _ = measured(title, str(kind))
        if text in ("yes", "no"):
            return text
        if text not in reasons:
            reasons.append(text)
        return f"– ({reasons.index(text) + 1})"

    if across:
        head, rows = heads, [(title, [cell(kind, title) for kind in chosen]) for title in titles]
    else:
        rows = [(name, [cell(kind, title) for title in titles]) for kind, name in zip(chosen, heads, strict=True)]
        head = titles
    lines = [f"| | {' | '.join(head)} |", "|---" * (len(head) + 1) + "|"]
    lines += [f"| {name} | {' | '.join(cells)} |" for name, cells in rows]
    lines += ["", *(f"{number}. {reason}" for number, reason in enumerate(reasons, 1))]
    return "\n".join(lines).rstrip() + "\n"


def page() -> str:
    """The whole page."""
    every = kinds()
    main = [kind for kind in every if kind.main]
    heads = [f"{kind.library} {version(kind.library).partition('+')[0]}, {kind.name}" for kind in main]
    features = table(main, heads, list(FEATURES), across=True)
    layers = table(every, [str(kind) for kind in every], list(FOR_ALL), across=False)
    parts = [
        PREFACE,
        f"## One layer of each library\n\n{features}",
        section(),
        f"## Every layer that is tried\n\n{layers}",
        BY_HAND,
    ]
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
