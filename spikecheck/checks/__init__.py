"""Judges: one file a check. `spikecheck checks` lists them; `base` says what a check is."""
