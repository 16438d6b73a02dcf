"""Training scripts in the styles of public repositories, run as they are and under `spikecheck run`.

Each saves what it trained to the file that its first argument names.
"""
