"""docs/frameworks.md says what the suite measures."""

from __future__ import annotations

import pytest

from tests.conformance.support import PAGE, page

pytestmark = pytest.mark.xdist_group("conformance")  # measured once: by the worker that runs the contract


def test_page_is_what_is_measured() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make docs`, and read the difference"
