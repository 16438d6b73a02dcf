"""Run a script or a notebook's cell unchanged, and watch whatever trains in it."""
