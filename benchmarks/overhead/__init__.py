"""What watching a training costs: interleaved pairs of training steps, with and without a tool, one process per row."""
