"""What is expected of every kind of layer, a subject a file; importing the package enters them all."""

from tests.conformance.features import compiling, containers, faults, parallel, training, watching
from tests.conformance.features.registry import FEATURES, FOR_ALL, measured

__all__ = ["FEATURES", "FOR_ALL", "compiling", "containers", "faults", "measured", "parallel", "training", "watching"]
