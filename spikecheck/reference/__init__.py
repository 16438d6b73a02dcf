"""Reference data and networks: spoken digits as spikes, a network that learns them, and one that does not."""
