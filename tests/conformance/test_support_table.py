"""docs/frameworks.md says what the suite measures."""

from __future__ import annotations

import pytest

from tests.conformance.support import PAGE, page


@pytest.mark.full
def test_page_is_what_is_measured() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make docs`, and read the difference"
