"""No test changes what the next one sees: whatever it attached is detached."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from spikecheck.probe.watchers import watchers


@pytest.fixture(autouse=True)
def nothing_stays_attached() -> Iterator[None]:
    """Detach every monitor that a test leaves: as long as there is one, functions of torch are replaced."""
    yield
    for watch in watchers.all():
        watch.remove()
