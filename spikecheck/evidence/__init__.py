"""What a run showed, in plain values: enough to judge it anew without the model, and to keep it in a checkpoint."""
