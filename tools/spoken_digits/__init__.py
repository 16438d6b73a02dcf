"""The generator of the spoken-digit data set: speech synthesis, cochlea model, packed file.

Run it with `spikecheck data make` from a checkout. It needs the extra `data` (scipy, espeakng-loader).
"""
