"""Faults are found, first; healthy networks are left alone."""
