"""Programs for work on spikecheck itself; none of them is part of the installed package."""
