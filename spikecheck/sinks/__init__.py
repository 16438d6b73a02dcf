"""Where the course of a run is written while it trains: the interface of a sink, and how a monitor feeds it."""
