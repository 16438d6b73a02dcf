"""The experiments: one file each, found by discovery."""
