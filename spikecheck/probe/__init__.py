"""Sees: hooks on the model, on the loss and on the optimizer, and what passes them as captures."""
