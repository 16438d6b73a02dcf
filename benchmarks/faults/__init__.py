"""The truth benchmark: small training scripts, each with one mistake or unusual and right, that spikecheck judges."""
