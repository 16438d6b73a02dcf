"""Cannot be imported."""

import torn_dependency  # noqa: F401
