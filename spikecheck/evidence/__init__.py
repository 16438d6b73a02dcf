"""Keep what a run showed in plain values: enough to judge it again from a checkpoint, without the model."""
