"""The page in light, in dark and on paper: what is read has the contrast that WCAG asks for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from spikecheck.report.html import template
from tests.views.pages import text_of

STYLE = Path(template.__file__).with_name("style.css").read_text(encoding="utf-8")


def themes() -> dict[str, dict[str, str]]:
    """The colors by theme; those of the dark one and of paper stand over those of the light one."""
    light, dark, paper = (
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
        for block in re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
    )
    assert light.keys() == dark.keys() == paper.keys()
    return {"light": light, "dark": dark, "paper": paper}


def contrast(a: str, b: str) -> float:
    """By WCAG 2: the ratio of the relative luminances, each with 0.05 added."""

    def luminance(color: str) -> float:
        parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_measured_as_wcag_has_it() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", ["light", "dark", "paper"])
def test_text_can_be_read_and_lines_can_be_seen_in_each_theme(theme: str) -> None:
    colors = themes()[theme]
    grounds = [colors["page"], colors["card"], *(v for k, v in colors.items() if k.endswith("-tint"))]
    for ground in grounds:
        assert contrast(colors["ink"], ground) >= 7
        assert contrast(colors["muted"], ground) >= 4.5
    for kind in ("error", "warning", "note", "ok", "none"):
        for ground in (colors["page"], colors["card"], colors[f"{kind}-tint"]):
            assert contrast(colors[kind], ground) >= 4.5, (kind, ground)
    for mark in ("main", "other", "error"):
        assert contrast(colors[mark], colors["card"]) >= 3, mark
    assert contrast(colors["main"], colors["band"]) >= 3
    assert contrast(colors["ink"], colors["band"]) >= 7


def test_both_themes_reach_the_pictures() -> None:
    text = text_of("drawn")
    assert "@media (prefers-color-scheme: dark)" in text
    assert "@media print" in text
    fixed = {c for svg in re.findall(r"<svg.*?</svg>", text, re.DOTALL) for c in re.findall(r"#[0-9a-f]{6}\b", svg)}
    assert fixed == set(), "colors that do not follow the theme"
    used, known = set(re.findall(r"var\(--([\w-]+)\)", text)), set(themes()["light"])
    assert used - {"plots"} <= known, "--plots is a number"
