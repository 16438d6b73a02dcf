"""The page and the plot that the results are written to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

from benchmarks.overhead.tools import TOOLS

INTRODUCTION = """# What watching costs

Written by `make bench`, which `benchmarks/README.md` describes. Two processes take turns: one trains a network with the
tool, the other its twin without it. A figure is the sum of the times with the tool, divided by the sum of those without
it: over all steps, over the first 16, which spikecheck measures in full, and over the later ones. Times are processor
time of the whole process. The control row compares a network with its twin, so its distance from 1.00 is the noise of
the measurement. On a machine that is busy with other things, what reads memory is slowed down more than what computes.
Rows that were not measured are left out.

A report shows a cost of its own: the time in its hooks, with an estimate of what they take from the code around them. A
column has that figure, from another run of as many steps.

After the first 16 steps, `budget` (default 0.02) only changes how many steps are measured by all statistics, at least
every 32nd; the counts of every step are not limited by it. `every=1` measures all statistics in every step.
"""
WIDTH, BAR, LEFT, SCALE = 760, 26, 230, 320  # pixels of the plot; SCALE is one bare step
SHORT = 30  # steps of a run that show how much memory is needed, and not whether it grows


def line(result: Mapping[str, Any]) -> str:
    """Return a result in one line of text."""
    if "error" in result:
        return f"{result['part']:11} {result['label']:45} {result['tool']:30} {result['error']}"
    if result["what"] == "memory":
        figures = f"peak {result['peak_mb']:.0f} MB, second half +{result['growth_mb']:.1f} MB"
    else:
        figures = "  ".join(
            f"{name} {result[name]['whole']:.3f}" for name in ("all", "start", "later") if name in result
        )
        figures += f"  median {result['all']['median']:.3f}, bare step {result['bare_ms']:.1f} ms"
        figures += f", shown {shown(result)}" if shown(result) else ""
    return f"{result['part']:11} {result['label']:45} {result['tool']:30} {figures}"


def table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table in Markdown."""
    columns = list(columns)
    lines = [columns, ["---"] * len(columns), *map(list, rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def ratio(result: Mapping[str, Any], part: str) -> str:
    """Return a ratio as text."""
    return f"{result[part]['whole']:.2f}" if part in result else ""


def shown(result: Mapping[str, Any]) -> str:
    """Return the cost that a report shows, as the ratios of the later and of the first steps; nothing for a peer."""
    later, start = result.get("shown_cost"), result.get("shown_start_cost")
    return "" if later is None or start is None else f"{1 + later:.2f} (first 16: {1 + start:.2f})"


def write(results: Mapping[str, Any], docs: Path) -> None:
    """Write the page and the plot."""
    measured = [one for one in results.values() if "error" not in one]
    of_part = {part: [one for one in measured if one["part"] == part] for part in {one["part"] for one in measured}}
    reference = of_part.get("reference", [])
    sees = {tool.name: tool.sees for tool in TOOLS}
    text = [INTRODUCTION]
    if reference:
        (docs / "performance.svg").write_text(plot(reference))
        text += ["## Beside other tools", ""]
        text += [f"{reference[0]['label']}, one thread, bare step {reference[0]['bare_ms']:.0f} ms.", ""]
        text += ["![step time with each tool over the bare step](performance.svg)", ""]
        rows = [
            (r["tool"], *(ratio(r, p) for p in ("all", "start", "later")), shown(r), sees[r["tool"]]) for r in reference
        ]
        columns = ["tool", "all steps", "first 16", "later", "later, as a report shows it", "what it sees of each step"]
        text.append(table(columns, rows))
    times = [one for part, some in of_part.items() if part != "reference" for one in some if one.get("what") == "time"]
    if times:
        text += ["## Other networks", ""]
        tools = list(dict.fromkeys(one["tool"] for one in times))
        labels = dict.fromkeys((one["label"], one["threads"]) for one in times)
        cells = {
            (one["label"], one["threads"], one["tool"]): f"{ratio(one, 'all')} ({ratio(one, 'later')})" for one in times
        }
        by_report = {(one["label"], one["threads"]): shown(one) for one in times if one["tool"] == "spikecheck"}
        rows = [
            (label, str(n), *(cells.get((label, n, tool), "") for tool in tools), by_report.get((label, n), ""))
            for label, n in labels
        ]
        text += [
            "All steps, and in brackets those after the first 16.",
            "",
            table(["network", "threads", *tools, "later, as a report shows it"], rows),
        ]
    memory = [one for one in measured if one.get("what") == "memory"]
    if memory:
        text += ["## Memory", ""]
        rows = [
            (one["label"], f"{one['number']:,}", one["tool"], f"{one['peak_mb']:.0f} MB", f"{one['growth_mb']:.1f} MB")
            for one in memory
        ]
        text.append(table(["network", "steps", "tool", "highest", "growth in the second half"], rows))
        if any(one["number"] <= SHORT for one in memory):
            text += [f"Growth over {SHORT} steps or fewer cannot be told from warm-up.", ""]
    if "import" in results:
        text += ["## Import", ""]
        rows = [(f"`import {name}`", f"{s:.2f} s") for name, s in results["import"].items() if name != "part"]
        text.append(table(["", "time"], rows))
    (docs / "performance.md").write_text("\n".join(text))


def plot(results: Iterable[Mapping[str, Any]]) -> str:
    """Return a bar per tool as SVG: what it adds to a bare step of 1."""
    bars = [one for one in results if one["tool"] != "nothing (control)"]
    height = BAR * len(bars) + 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif" '
        f'font-size="13">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
    ]
    for number, one in enumerate(bars):
        value = one["all"]["whole"]
        length, y = min(SCALE * value, WIDTH - LEFT - 60), BAR * number + 12
        color = "#2b6cb0" if one["tool"].startswith("spikecheck") else "#a0aec0"
        parts += [
            f'<text x="{LEFT - 8}" y="{y + 14}" text-anchor="end">{escape(one["tool"])}</text>',
            f'<rect x="{LEFT}" y="{y}" width="{length:.0f}" height="{BAR - 8}" fill="{color}"/>',
            f'<text x="{LEFT + length + 6:.0f}" y="{y + 14}">{value:.2f}</text>',
        ]
    bottom = height - 24
    parts.append(f'<line x1="{LEFT + SCALE}" y1="6" x2="{LEFT + SCALE}" y2="{bottom}" stroke="#4a5568"/>')
    parts.append(f'<text x="{LEFT + SCALE}" y="{bottom + 16}" text-anchor="middle">bare step</text>')
    return "\n".join([*parts, "</svg>", ""])
