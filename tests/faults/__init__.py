"""Faults are the first root cause; healthy networks get no warning."""
