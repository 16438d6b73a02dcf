"""What a file says that it holds: its objects, before they are sorted by their purpose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spikecheck.checkpoint.rebuild import Rebuilder


class Described:
    """The root object of a file, the name of its format, and what was noted while it was built.

    `refused` are the names of globals whose objects were not loaded. `executable` are those that `pickle.load` would
    import or, if True, call. `aside` are objects beside the root, such as attributes of tensors.
    """

    def __init__(self, root: Any, format_name: str, rebuild: Rebuilder | None = None) -> None:
        self.root, self.format = root, format_name
        self.refused: tuple[str, ...] = () if rebuild is None else tuple(rebuild.refused)
        self.executable: Mapping[str, bool] = {} if rebuild is None else rebuild.executable
        self.aside: list[Any] = [] if rebuild is None else rebuild.aside
