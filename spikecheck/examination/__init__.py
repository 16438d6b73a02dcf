"""Examine a network: experiments on copies of it, and trials of what could heal it."""
