"""What is expected of every kind of layer, a subject a file; importing the package enters them all."""

from tests.conformance.features import containers, faults, training, watching
from tests.conformance.features.registry import FEATURES, FOR_ALL, measured

__all__ = ["FEATURES", "FOR_ALL", "containers", "faults", "measured", "training", "watching"]
