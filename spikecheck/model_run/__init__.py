"""Create a model by its factory, load the weights of a checkpoint, and run it once with a monitor attached.

Importing a user's module executes its code; that is done for modules named on the command line, and for nothing that a
file names except the factories of `spikecheck.reference`.
"""
