"""Callbacks, handlers and sinks for the libraries that people train with: a file each, which imports its library."""
