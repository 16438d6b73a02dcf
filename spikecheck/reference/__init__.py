"""The reference: a spoken-digit spike set, and a network that learns it."""
