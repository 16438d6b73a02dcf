"""Makes a model by its factory, gives it the weights of a checkpoint, and runs it once, watched.

Importing a user's module runs its code; that is done for what was named on the command line, and for nothing that a
file names but the factories of `spikecheck.reference`.
"""
