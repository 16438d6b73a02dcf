"""Counts: what passes a site, on the device, in fixed memory, and says it in plain numbers."""
