"""Measure the false warning rate of spikecheck on random healthy networks."""
