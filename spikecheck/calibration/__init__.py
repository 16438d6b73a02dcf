"""Data-dependent initialization: scale the weights before training, so that every layer fires from its fluctuations."""
