"""Draw the pictures of docs/checks: what the input or the layer shows in the broken and in the repaired example.

`make pictures` runs this. Decision 35 says which checks have one.
"""

from __future__ import annotations

import warnings
from typing import Any

import matplotlib
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from benchmarks.symptoms.pictures import HEALTHY, SICK, STYLE
from spikecheck.checks.discovery import own_checks
from spikecheck.report.model import LayerRow, Report
from tests.faults.test_input_and_neuron_examples import REPORTS, of_layers
from tests.house.test_checks import FENCE
from tests.house.tree import ROOT

FOLDER = ROOT / "docs" / "checks" / "images"
INPUTS = {"SPK101": "channel", "SPK102": "channel", "SPK103": "channel", "SPK108": "channel", "SPK110": "pixel"}
LAYERS = ("SPK201", "SPK203", "SPK204", "SPK205", "SPK206", "SPK210", "SPK211", "SPK212")
SHOWN_CHANNELS = 700
KINDS = (("broken", SICK), ("repaired", HEALTHY))


def example(id_: str, which: str) -> tuple[Report, Tensor | None]:
    """Run an example, and return its report and the first input of its model."""
    (code,) = (text for _, label, text in FENCE.findall(own_checks()[id_].sections()["Example"]) if label == which)
    inputs: list[Tensor] = []

    def keep(module: nn.Module, arguments: tuple[Any, ...]) -> None:
        if not inputs and arguments and isinstance(arguments[0], Tensor):
            inputs.append(arguments[0].detach().clone())

    handle = nn.modules.module.register_module_forward_pre_hook(keep)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            report = REPORTS.get(id_, of_layers)(code)
    finally:
        handle.remove()
    return report, inputs[0] if inputs else None


def of_the_input(id_: str, figure: Figure) -> None:
    """Draw the first sample [time, channel] of both examples; darker is more."""
    for axes, (which, color) in zip(figure.subplots(1, 2), KINDS, strict=True):
        _, x = example(id_, which)
        assert x is not None
        sample = x[0].flatten(1)[:, :SHOWN_CHANNELS].float()
        map_ = matplotlib.colors.LinearSegmentedColormap.from_list(which, ["white", color])
        drawn = axes.imshow(sample.T, aspect="auto", cmap=map_, interpolation="nearest", origin="lower", vmin=0,
                            vmax=max(1.0, float(sample.max())))  # fmt: skip
        figure.colorbar(drawn, ax=axes, label="value", fraction=0.06)
        axes.set(title=f"{which}: {float((sample != 0).float().mean()):.1%} of the bins are not 0", xlabel="time step")
    figure.axes[0].set_ylabel(INPUTS[id_])


def of_the_layer(id_: str, figure: Figure) -> None:
    """Draw the spikes of one sample in the layer of the finding, in both examples."""
    reports = {which: example(id_, which)[0] for which, _ in KINDS}
    site = next(finding.site.name for finding in reports["broken"].findings if finding.check == id_)
    for axes, (which, color) in zip(figure.subplots(1, 2, sharey=True), KINDS, strict=True):
        row = layer(reports[which], site)
        reading = row.recent or row.first
        assert reading is not None
        raster = torch.tensor(reading.raster)
        neurons, steps = raster.nonzero(as_tuple=True)
        axes.scatter(steps, neurons, s=4, marker="s", color=color, linewidths=0)
        most = float(raster.max())
        axes.set(xlim=(-1, raster.shape[1]), ylim=(-1, len(raster)), xlabel="time step")
        axes.set_title(f"{which}: {float(raster.mean()):.2g} spikes per step{f', up to {most:g}' if most > 1 else ''}")
        if not len(steps):
            middle = {"xycoords": "axes fraction", "ha": "center", "va": "center"}
            axes.annotate("no spikes", (0.5, 0.5), color="#5f6b76", **middle)
    figure.axes[0].set_ylabel(f"neuron of lif{int(site.rpartition('.')[2]) + 1}")  # as the example calls it


def layer(report: Report, name: str) -> LayerRow:
    """Return the row of a layer."""
    return next((row for row in report.layers if row.name == name), report.layers[-1])


def draw(id_: str) -> None:
    """Write the picture of a check."""
    with matplotlib.rc_context(STYLE | {"font.size": 8}):
        figure = Figure(figsize=(7.2, 2.3), layout="constrained")
        (of_the_input if id_ in INPUTS else of_the_layer)(id_, figure)
        options = {"metadata": {"Software": None}, "pil_kwargs": {"optimize": True}}
        figure.savefig(FOLDER / f"{id_}.png", dpi=110, **options)


def main() -> None:
    """Draw every picture."""
    FOLDER.mkdir(exist_ok=True)
    for id_ in (*INPUTS, *LAYERS):
        draw(id_)


if __name__ == "__main__":
    main()
