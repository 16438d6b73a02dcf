"""What must not stop spikecheck."""
