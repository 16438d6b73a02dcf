"""What a text says of versions is true of the package's own."""

from __future__ import annotations

import re

import pytest

import spikecheck
from spikecheck.checks.base import Check
from spikecheck.checks.discovery import own_checks
from tests.house.tree import ROOT


def parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


@pytest.mark.parametrize("check", own_checks().values(), ids=lambda check: check.id)
def test_no_check_is_newer_than_the_package(check: type[Check]) -> None:
    """A page says "Since 0.1": a version that does not exist yet would be untrue."""
    now = parts(spikecheck.__version__)
    assert parts(check.since) <= now[: len(parts(check.since))], f"{check.id}: since {check.since}, but this is {now}"


def test_the_changelog_knows_the_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{spikecheck.__version__}]" in re.findall(r"^## \[[^\]]*\]", changelog, flags=re.MULTILINE)
