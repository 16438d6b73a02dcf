"""Reads checkpoint files, which execute nothing here, and judges them as a live model is judged."""

from spikecheck.checkpoint.diagnose import diagnose_file

__all__ = ["diagnose_file"]
