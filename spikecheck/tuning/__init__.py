"""Search for the values of one parameter with which a network can be trained: a threshold, a slope, a learning rate.

It needs `pip install 'spikecheck[tune]'`. `import spikecheck` does not import it.
"""
