"""What a lab adds to spikecheck."""
