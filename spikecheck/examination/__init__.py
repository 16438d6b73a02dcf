"""Examine a network: experiments on copies of it, and trials of what could heal it."""

from spikecheck.examination.run import examine

__all__ = ["examine"]
