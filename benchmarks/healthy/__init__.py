"""Random healthy networks, trained under spikecheck: how often is a warning given that is none?"""
