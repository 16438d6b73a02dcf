"""Makes the distributions of tests/plugin/packages findable as an installer would: files, with a dist-info beside."""

from __future__ import annotations

import shutil
from pathlib import Path

from spikecheck.settings import tomllib

PACKAGES = Path(__file__).with_name("packages")


def install(name: str, target: Path) -> None:
    """Copy what the distribution's wheel would hold to a folder, and write its metadata there."""
    source = PACKAGES / name
    project = tomllib.loads((source / "pyproject.toml").read_text(encoding="utf-8"))
    for part in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]:
        if (source / part).is_dir():
            shutil.copytree(source / part, target / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source / part, target / part)
    about = project["project"]
    info = target / f"{name}-{about['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {about['name']}\nVersion: {about['version']}\n")
    groups = [
        "\n".join([f"[{group}]", *(f"{key} = {value}" for key, value in points.items())])
        for group, points in about["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("\n\n".join(groups) + "\n")
