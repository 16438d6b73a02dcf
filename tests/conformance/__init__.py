"""One suite, run against every spiking library from the same table of expectations."""
